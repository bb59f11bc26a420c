import type { ClusterPlayOptions, ClusterScenario } from "../cluster-scenario.ts";
import { brokerAlarms } from "./broker-alarms.ts";
import { brokerCluster } from "./broker-cluster.ts";
import { brokerNetwork } from "./broker-network.ts";
import { brokerOutages } from "./broker-outages.ts";
import { cacheOutages } from "./cache-outages.ts";
import { consumerTimeout } from "./consumer-timeout.ts";
import { kills } from "./kills.ts";
import { ledgerDisk } from "./ledger-disk.ts";
import { ledgerOutage } from "./ledger-outage.ts";
import { scenariosOn } from "../../scenarios/on-both.ts";
import { openClusterField } from "../cluster-field.ts";
import { ledgerPower } from "./ledger-power.ts";
import { refusals } from "./refusals.ts";
import { sigterm } from "./sigterm.ts";
import { skewedClocks } from "./skewed-clocks.ts";
import { spool } from "./spool.ts";
import { stoppedWorker } from "./stopped-worker.ts";

/** With two gateways and three workers, in the order of the list of faults. */
export const clusterScenarios: readonly ClusterScenario[] = [
  ...kills,
  ...brokerOutages,
  ...brokerNetwork,
  ...brokerAlarms,
  brokerCluster,
  consumerTimeout,
  ...cacheOutages,
  ledgerOutage,
  ...spool,
  ledgerDisk,
  ledgerPower,
  stoppedWorker,
  skewedClocks,
  sigterm,
  refusals,
  ...scenariosOn<ClusterPlayOptions>({ open: openClusterField, rerunsMax: 0 }), // workers outlive their autoscaler until they are through
];
