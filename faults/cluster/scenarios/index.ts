import type { ClusterScenario } from "../cluster-scenario.ts";
import { brokerAlarms } from "./broker-alarms.ts";
import { brokerNetwork } from "./broker-network.ts";
import { brokerOutages } from "./broker-outages.ts";
import { cacheOutages } from "./cache-outages.ts";
import { consumerTimeout } from "./consumer-timeout.ts";
import { kills } from "./kills.ts";
import { ledgerOutage } from "./ledger-outage.ts";
import { load } from "./load.ts";
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
  consumerTimeout,
  poison,
  ...cacheOutages,
  ledgerOutage,
  stoppedWorker,
  skewedClocks,
  repeats,
  sigterm,
  refusals,
  ...load,
];

/** Faults of the list that this run does not make. */
export const clusterNotPlayed: readonly { readonly numbers: string; readonly why: string }[] = [
  { numbers: "12", why: "three nodes of RabbitMQ: one node here" },
  { numbers: "19, 20", why: "a full disk and the loss of power under PostgreSQL are PostgreSQL's own to survive" },
];
