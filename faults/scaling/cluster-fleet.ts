import { ClusterStage, type ClusterStageOptions } from "../cluster/cluster-stage.ts";
import type { Member } from "../cluster/member.ts";
import { resultsRead } from "../load/field.ts";
import { scaling } from "./burst-shape.ts";
import { burstConfig } from "./embedded-fleet.ts";
import type { Fleet } from "./fleet.ts";
import { toldIn } from "./told.ts";

/** Gateways, and two of `sluice autoscale --platform process` that start at once: the workers are theirs. */
export async function openClusterFleet({
  servers,
  logFolder,
}: Pick<ClusterStageOptions, "servers" | "logFolder">): Promise<Fleet> {
  const { min, max, maxWait, hold } = scaling;
  const goal = ["--min", String(min), "--max", String(max), "--max-wait", maxWait, "--hold", hold];
  const autoscalerArgs = ["--platform", "process", "--every", "1s", ...goal];
  const stage = await ClusterStage.open({
    servers,
    logFolder,
    configFile: burstConfig,
    workers: 0,
    autoscalers: 2,
    autoscalerArgs,
  });
  const [url] = stage.urls;
  return {
    url,
    ledger: stage.ledger,
    hasLeader: true,
    async killAutoscaler() {
      const leader = stage.autoscalers.find(leads);
      if (leader === undefined) throw new Error("no autoscaler leads");
      const others = stage.autoscalers.filter((autoscaler) => autoscaler !== leader);
      leader.kill("SIGKILL");
      await Promise.race(others.map((other) => other.line(/"this autoscaler leads"/)));
      await leader.ready(); // it stands by now
    },
    logs: () => stage.autoscalers.map(({ output }) => output),
    finish: () => stage.finish([], { resultsMax: resultsRead }),
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  };
}

function leads({ output }: Member): boolean {
  const told = toldIn([output]).filter((one) => one.kind === "leads");
  return told.at(-1)?.leads === true;
}
