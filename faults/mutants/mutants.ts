// All bugs that the suite must see.
import { embeddedClockMutants } from "./clocks.ts";
import { clusterClocksMutants } from "./cluster-clocks.ts";
import { clusterMutants } from "./cluster.ts";
import { embeddedDiskMutants } from "./disks.ts";
import { embeddedMutants } from "./embedded.ts";
import { handlersMutants } from "./handlers.ts";
import type { Mutant } from "./mutant.ts";
import { powerMutants } from "./power.ts";
import { proxyMutants } from "./proxies.ts";
import { settingsMutants } from "./settings.ts";
import { targetMutants } from "./targets.ts";

export const mutants: readonly Mutant[] = [
  ...embeddedMutants,
  ...embeddedClockMutants,
  ...embeddedDiskMutants,
  ...clusterMutants,
  ...clusterClocksMutants,
  ...powerMutants,
  ...handlersMutants,
  ...proxyMutants,
  ...settingsMutants,
  ...targetMutants,
];
