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
import { load } from "./load.ts";
import { ledgerPower } from "./ledger-power.ts";
import { poison } from "./poison.ts";
import { refusals } from "./refusals.ts";
import { repeats } from "./repeats.ts";
import { scalings } from "./scaling.ts";
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
  ...load,
  ...scalings,
];
