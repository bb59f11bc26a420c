// The clocks of two workers are an hour off, one of them the leader's: the store's clock decides.
import { globSync } from "node:fs";
import { findProgram } from "@sluice/testing";
import {
  underLoad,
  type ClusterPlayOptions,
  type ClusterScenario,
  type Fault,
  type Field,
} from "../cluster-scenario.ts";
import type { Played } from "../../scenario.ts";

export const skewedClocks: ClusterScenario = {
  name: "clock-off",
  numbers: "18",
  fault: "the clock of one worker is an hour ahead, that of another an hour behind",
  play,
};

const retryAfterSeconds = 3;
const doneMsMax = 20_000;

interface WireRequest {
  readonly id: string;
  readonly state: string;
  readonly acceptedAt: string;
  readonly finishedAt: string | null;
}

function play(options: ClusterPlayOptions): Promise<Played> {
  const workerEnv = { 1: clockOff("+1h"), 2: clockOff("-1h") };
  return underLoad(options, { name: "clock-off", mode: "plain", stage: { workerEnv } }, retryLater);
}

/** Preloaded by hand: the program faketime would be the parent of the process, and get its signals. */
function clockOff(by: string): Readonly<Record<string, string>> {
  findProgram({ program: "faketime", debianPackage: "faketime" });
  const [library] = globSync("/usr/lib/*/faketime/libfaketimeMT.so.1");
  if (library === undefined) throw new Error("faketime is installed, but its library was not found");
  return { LD_PRELOAD: library, FAKETIME: by, FAKETIME_DONT_FAKE_MONOTONIC: "1" };
}

/** B asks for retries later: each must run then, neither at once nor in an hour, whichever worker failed. */
async function retryLater({ stage, sender, wrong }: Field): Promise<Fault> {
  await sender.acceptedMore(100);
  await stage.behave(`later:${retryAfterSeconds}`);
  const before = sender.ids.length;
  await sender.acceptedMore(20);
  await stage.behave("work");
  const ids = sender.ids.slice(before);
  const giveUpAt = performance.now() + doneMsMax;
  const ends = await Promise.all(ids.map((id) => whenDone(`${stage.urls[0]}/v1/requests/${id}`, giveUpAt)));
  const starts = Map.groupBy(stage.log("starts"), ({ id }) => id);
  for (const { id, acceptedAt, finishedAt, state } of ends) {
    const tookMs = finishedAt === null ? undefined : Date.parse(finishedAt) - Date.parse(acceptedAt);
    const isRetried = (starts.get(id)?.length ?? 0) > 1;
    const leastMs = isRetried ? retryAfterSeconds * 1_000 : 0;
    const isTimely = state === "done" && tookMs !== undefined && tookMs >= leastMs && tookMs <= doneMsMax;
    if (!isTimely)
      wrong.push(`${id} ${isRetried ? "began again" : "began once"} and is ${state}, ${tookMs} ms after its receipt`);
  }
  return { trials: ids.length, hits: ends.filter(({ id }) => (starts.get(id)?.length ?? 0) > 1).length };
}

/** As it is at the given time if it is not done by then. */
async function whenDone(url: string, giveUpAt: number): Promise<WireRequest> {
  for (;;) {
    const response = await fetch(url, { headers: { prefer: "wait=5" } });
    const request = (await response.json()) as WireRequest;
    if (request.state === "done" || performance.now() > giveUpAt) return request;
  }
}
