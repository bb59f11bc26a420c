// What every scenario of the cluster has in common: a fault while a client sends to both gateways, and the checks after it.
import { saidOfLost } from "../../packages/sluice/src/engines/cluster/leader/lost-hints.ts";
import type { Figures } from "../checker.ts";
import { parcelSource, type Parcel } from "../parcel.ts";
import type { Played, PlayOptions, Scenario } from "../scenario.ts";
import { Sender } from "../sender.ts";
import type { Need } from "./carriers.ts";
import { ClusterStage, type ClusterStageOptions, type Load } from "./cluster-stage.ts";
import { countSaid } from "./observe.ts";
import type { Servers } from "./servers.ts";

export interface ClusterPlayOptions extends PlayOptions {
  readonly servers: Servers;
  /** A folder for what each process logs. */
  readonly logFolder: string | undefined;
}

export interface ClusterScenario extends Omit<Scenario, "play"> {
  /** Servers that it is about: without them it is left out. */
  readonly needs?: readonly Need[];
  play(options: ClusterPlayOptions): Promise<Played>;
}

/** What a fault has at hand. */
export interface Field extends ClusterPlayOptions {
  readonly stage: ClusterStage;
  readonly sender: Sender;
  readonly load: Load;
  /** What was expected and did not come, in words. */
  readonly wrong: string[];
}

export interface Fault {
  readonly trials: number;
  readonly hits: number;
}

export interface UnderLoadOptions {
  readonly name: string;
  /**
   * `plain` where no process dies: a second run of a handler shows as a second effect, and none is allowed. Else
   * `honours-key`: a request may run again, and its effect is made once.
   */
  readonly mode: "plain" | "honours-key";
  /** Handlers must have begun more often than they made effects. */
  readonly isRedeliveryMeant?: boolean;
  /** RabbitMQ loses what it has confirmed; else the look for lost hints, the last resort, must find nothing missing. */
  readonly isHintLossMeant?: boolean;
  readonly restMs?: number;
  /** What is sent; small ones unless given. */
  readonly parcels?: () => Parcel;
  readonly stage?: Omit<ClusterStageOptions, "servers" | "logFolder" | "mode">;
}

export async function underLoad(
  options: ClusterPlayOptions,
  setting: UnderLoadOptions,
  fault: (field: Field) => Promise<Fault>,
): Promise<Played> {
  const { servers, logFolder, random } = options;
  const { name, mode, restMs = 60, parcels = parcelSource(name, random), stage: stageOptions } = setting;
  await using stage = await ClusterStage.open({ ...stageOptions, mode, servers, logFolder });
  const sender = new Sender(stage.ledger, parcels, stageOptions?.door);
  const wrong: string[] = [];
  await using load = stage.load(sender, { restMs, isInTurn: stageOptions?.isSpooling });
  const { trials, hits } = await fault({ ...options, stage, sender, load, wrong });
  await load.stop();
  await stage.sampleResults(sender.ids);
  const { figures, violations } = await stage.finish([sender]);
  wrong.push(...judge(setting, figures, stage));
  return { trials, hits, figures, areEffectsOnce: true, violations: [...wrong, ...violations] };
}

function judge(
  { isRedeliveryMeant = false, isHintLossMeant = false }: UnderLoadOptions,
  { dead, starts, effects }: Figures,
  { members }: ClusterStage,
): readonly string[] {
  const putBack = countSaid(members, saidOfLost.queue) + countSaid(members, saidOfLost.hints);
  return [
    ...(dead > 0 ? [`${dead} requests are dead, and B rejected none`] : []),
    ...(isRedeliveryMeant && starts <= effects ? ["no request was delivered twice"] : []),
    ...(!isHintLossMeant && putBack > 0 ? [`hints had to be put back ${putBack} times, and RabbitMQ lost none`] : []),
  ];
}
