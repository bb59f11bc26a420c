// All bugs that the suite must see.
import { embeddedClockMutants } from "./clocks.ts";
import { clusterClocksMutants } from "./cluster-clocks.ts";
import { browserMutants } from "./browsers.ts";
import { clusterMutants } from "./cluster.ts";
import { embeddedDiskMutants } from "./disks.ts";
import { embeddedMutants } from "./embedded.ts";
import { frontMutants } from "./front.ts";
import { greedMutants } from "./greed.ts";
import { handlersMutants } from "./handlers.ts";
import { handsMutants } from "./hands.ts";
import { mixturesMutants } from "./mixtures.ts";
import { lineMutants } from "./lines.ts";
import type { Mutant } from "./mutant.ts";
import { powerMutants } from "./power.ts";
import { proxyMutants } from "./proxies.ts";
import { sendersMutants } from "./senders.ts";
import { settingsMutants } from "./settings.ts";
import { targetMutants } from "./targets.ts";

export const mutants: readonly Mutant[] = [
  ...embeddedMutants,
  ...clusterMutants,
  ...powerMutants,
  ...clusterClocksMutants,
  ...embeddedClockMutants,
  ...embeddedDiskMutants,
  ...frontMutants,
  ...greedMutants,
  ...handlersMutants,
  ...handsMutants,
  ...lineMutants,
  ...mixturesMutants,
  ...proxyMutants,
  ...browserMutants,
  ...sendersMutants,
  ...settingsMutants,
  ...targetMutants,
];
