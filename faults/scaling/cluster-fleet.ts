import { ClusterStage, type ClusterStageOptions } from "../cluster/cluster-stage.ts";
import type { Member } from "../cluster/member.ts";
import { whenTrue } from "../cluster/observe.ts";
import { resultsRead } from "../load/field.ts";
import { scaling } from "./burst-shape.ts";
import { burstConfig } from "./embedded-fleet.ts";
import type { Fleet } from "./fleet.ts";
import { toldIn } from "./told.ts";

/** A dead leader is given up within half a minute. */
const ledMsMax = 60_000;

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
      const before = leadsTaken(stage.autoscalers);
      leader.kill("SIGKILL");
      // By the other one, or by its own next life, should that ask first.
      const isLed = (): boolean => leadsTaken(stage.autoscalers) > before;
      if ((await whenTrue(isLed, ledMsMax)) === undefined)
        throw new Error(`no autoscaler led within ${ledMsMax} ms of the kill of the one that did`);
      await leader.ready(); // it stands by now, or leads again
    },
    logs: () => stage.autoscalers.map(({ output }) => output),
    finish: () => stage.finish([], { resultsMax: resultsRead }),
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  };
}

/** How often any of them has told that it leads from then on. */
function leadsTaken(autoscalers: readonly Member[]): number {
  const told = toldIn(autoscalers.map(({ output }) => output));
  return told.filter((one) => one.kind === "leads" && one.leads).length;
}

function leads({ output }: Member): boolean {
  const told = toldIn([output]).filter((one) => one.kind === "leads");
  return told.at(-1)?.leads === true;
}
