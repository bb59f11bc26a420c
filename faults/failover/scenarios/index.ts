import type { FailoverScenario } from "../failover.ts";
import { broker } from "./broker.ts";
import { cache } from "./cache.ts";
import { control } from "./control.ts";
import { frozen } from "./frozen.ts";
import { kills } from "./kills.ts";
import { network } from "./network.ts";
import { restores } from "./restore.ts";
import { switchovers } from "./switchover.ts";
import { unsafe } from "./unsafe.ts";
import { waits } from "./waits.ts";

export const failovers: readonly FailoverScenario[] = [
  ...kills,
  ...waits,
  ...switchovers,
  ...frozen,
  network,
  unsafe,
  ...restores,
  broker,
  cache,
  control,
];
