import type { ClusterScenario } from "../cluster-scenario.ts";
import { brokerAlarms } from "./broker-alarms.ts";
import { brokerCluster } from "./broker-cluster.ts";
import { brokerNetwork } from "./broker-network.ts";
import { brokerOutages } from "./broker-outages.ts";
import { cacheOutages } from "./cache-outages.ts";
import { consumerTimeout } from "./consumer-timeout.ts";
import { kills } from "./kills.ts";
import { ledgerDisk } from "./ledger-disk.ts";
import { ledgerOutage } from "./ledger-outage.ts";
import { ledgerPower } from "./ledger-power.ts";
import { poison } from "./poison.ts";
import { refusals } from "./refusals.ts";
import { repeats } from "./repeats.ts";
import { sigterm } from "./sigterm.ts";
import { skewedClocks } from "./skewed-clocks.ts";
import { stoppedWorker } from "./stopped-worker.ts";

/** With two gateways and three workers, in the order of the list of faults. */
export const clusterScenarios: readonly ClusterScenario[] = [
  ...kills,
  ...brokerOutages,
  ...brokerNetwork,
  ...brokerAlarms,
  brokerCluster,
  consumerTimeout,
  poison,
  ...cacheOutages,
  ledgerOutage,
  ledgerDisk,
  ledgerPower,
  stoppedWorker,
  skewedClocks,
  repeats,
  sigterm,
  refusals,
];

/** Faults of the list that this run does not make. */
export const clusterNotPlayed: readonly { readonly numbers: string; readonly why: string }[] = [
  { numbers: "1, 25", why: "load and abuse without a fault: npm run bench, and the gateway's own tests" },
  { numbers: "24", why: "a great backlog and replays: the embedded run, and the engine's contract" },
];
