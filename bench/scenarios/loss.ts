// What is lost when the worker is killed again and again, every other time right after it claimed a request, else once a
// random number of further requests is through. Lost is what was answered with 202 and has no result to be read.
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { temporaryFolder } from "@sluice/testing";
import type { Child } from "@sluice/testing";
import { body } from "../body.ts";
import { openPool } from "../open-pool.ts";
import { postgresAlone } from "../peers/cluster.ts";
import type { Peer, PeerName } from "../peers/peer.ts";
import { putClusterToLoss, putFolderToLoss } from "./loss-of-sluice.ts";
import { putTextbookToLoss } from "./loss-of-textbook.ts";
import type { Subject } from "./loss-subject.ts";
import type { Measured, Scenario, Settings } from "./scenario.ts";

const underWayMax = 128;
const hitWithinMs = 30_000;
const drainedWithinMs = 120_000;

export const loss: Scenario = {
  name: "loss",
  title: "answered with 202, the worker killed again and again, no result to be read (lost: lower is better)",
  figure: "lost",
  peers: ["textbook", "sluice", "cluster", "cluster-postgres"],
  bounds: [
    { kind: "limit", of: "sluice", figure: "lost", atMost: 0 },
    { kind: "limit", of: "cluster", figure: "lost", atMost: 0 },
    { kind: "limit", of: "cluster-postgres", figure: "lost", atMost: 0 },
  ],
  roundsMax: 1,
  async measure(peer: Peer, { lossRequests: requests, kills }: Settings): Promise<Measured> {
    await using folder = await temporaryFolder();
    await using subject = await putToLoss(peer.name, folder.path);
    const accepted = await subject.takeIn((intakeUrl) => send(intakeUrl, requests));
    const throughMax = Math.floor(requests / kills);
    for (let kill = 1; kill <= kills; kill += 1) {
      // The last kill is at a claim and must hit, so that work was left at each one before it.
      if ((kills - kill) % 2 === 0) await killAtClaim(subject, randomInt(1, throughMax));
      else await killAtRandom(subject, randomInt(1, throughMax));
    }
    const stored = await finish(subject, accepted);
    const figures = { requests: accepted.length, kills, lost: accepted.length - stored };
    return { figures: { ...figures, ...subject.figures?.() }, usage: {} };
  },
};

function putToLoss(peer: PeerName, folder: string): Promise<Subject> {
  switch (peer) {
    case "textbook":
      return putTextbookToLoss();
    case "sluice":
      return putFolderToLoss(folder);
    case "cluster":
      return putClusterToLoss();
    case "cluster-postgres":
      return putClusterToLoss(postgresAlone);
    case "bare":
    case "bullmq":
    case "pg-boss":
    case "graphile-worker":
      throw new Error(`${peer} is not put to the loss`);
    default:
      return peer satisfies never;
  }
}

/** Each answered with 202; resolves to their ids. */
async function send(intakeUrl: string, requests: number): Promise<readonly string[]> {
  const { origin, pathname: path } = new URL(intakeUrl);
  await using pool = openPool(origin, underWayMax);
  const headers = { "content-type": "application/json" };
  const ids: string[] = [];
  await many(Array.from({ length: requests }), async () => {
    const answer = await pool.request({ method: "POST", path, headers, body });
    if (answer.statusCode !== 202) throw new Error(`POST ${path} answered ${answer.statusCode}`);
    ids.push(((await answer.body.json()) as { readonly id: string }).id);
  });
  return ids;
}

/** The worker kills itself after its nth claim. If it never comes that far it is stopped, which is no hit. */
async function killAtClaim(subject: Subject, nth: number): Promise<void> {
  await using worker = await subject.startWorker(nth);
  const timer = setTimeout(() => worker.kill("SIGTERM"), hitWithinMs);
  const { signal } = await worker.exited;
  clearTimeout(timer);
  if (signal !== "SIGKILL") throw new Error(`a worker never came to its ${nth}th claim:\n${lastOf(worker)}`);
}

async function killAtRandom(subject: Subject, through: number): Promise<void> {
  await using worker = await subject.startWorker();
  let aim: number | undefined;
  const isThere = async (): Promise<boolean> => {
    const progress = await subject.progress();
    if (progress === undefined) return false;
    aim ??= progress + through;
    return progress >= aim;
  };
  await until(isThere, {
    everyMs: 2,
    withinMs: hitWithinMs,
    what: () => `the worker stands still:\n${lastOf(worker)}`,
  });
  if (!worker.kill("SIGKILL")) throw new Error(`a worker ended before its kill:\n${lastOf(worker)}`);
  await worker.exited;
}

/** Lets a last worker do what is left, then reads everything back; resolves to how many results there are. */
async function finish(subject: Subject, ids: readonly string[]): Promise<number> {
  await using worker = await subject.startWorker();
  const what = (): string => `something is left of ${ids.length}:\n${lastOf(worker)}`;
  await until(() => subject.isDrained(ids), { everyMs: 250, withinMs: drainedWithinMs, what });
  return await countResults(subject.requestsUrl(), ids);
}

async function countResults(requestsUrl: string, ids: readonly string[]): Promise<number> {
  const { origin, pathname } = new URL(requestsUrl);
  await using pool = openPool(origin, underWayMax);
  let results = 0;
  await many(ids, async (id) => {
    const path = `${pathname}/${id}/result`;
    const { statusCode, body: answer } = await pool.request({ method: "GET", path });
    await answer.dump();
    if (statusCode === 200) results += 1;
    else if (statusCode !== 404 && statusCode !== 409) throw new Error(`GET ${path} answered ${statusCode}`);
  });
  return results;
}

async function many<Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> {
  const left = items.values(); // shared, so that each takes the next one
  const actOnNext = async (): Promise<void> => {
    for (const item of left) await act(item);
  };
  await Promise.all(Array.from({ length: underWayMax }, actOnNext));
}

interface Patience {
  readonly everyMs: number;
  readonly withinMs: number;
  readonly what: () => string;
}

async function until(isSo: () => Promise<boolean>, { everyMs, withinMs, what }: Patience): Promise<void> {
  const giveUpAt = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > giveUpAt) throw new Error(`${withinMs} ms were not enough: ${what()}`);
    await sleep(everyMs);
  }
}

function lastOf(child: Child): string {
  return child.output().slice(-2_000);
}
