import type { Played } from "../../scenario.ts";
import { judgeRepeats, sendRepeats } from "../../scenarios/repeats.ts";
import type { ClusterPlayOptions, ClusterScenario } from "../cluster-scenario.ts";
import { ClusterStage } from "../cluster-stage.ts";

export const repeats: ClusterScenario = {
  name: "repeats",
  numbers: "21",
  fault: "keys sent 20 times at once over both gateways, half of them with another body",
  play,
};

const keys = 1_000;

async function play({ servers, logFolder }: ClusterPlayOptions): Promise<Played> {
  await using stage = await ClusterStage.open({ servers, logFolder, mode: "plain" });
  const told = await sendRepeats({ urls: stage.urls, ledger: stage.ledger, keys });
  const { figures, violations } = await stage.finish([]);
  const wrong = judgeRepeats(told, figures, keys);
  return { trials: keys, hits: told.refused, figures, areEffectsOnce: true, violations: [...wrong, ...violations] };
}
