// What requests that come at random wait for each other below full load, of which the fluid of simulate.ts knows nothing.
// Next to nothing where a replica finishes many a second; minutes where one request takes minutes.
import type { Service } from "./simulate.ts";

export interface RandomWaitInput {
  readonly arrivalsPerHour: number;
  readonly replicas: number;
  readonly service: Service;
}

const hourMs = 3_600_000;

/**
 * The mean wait of a steady M/D/c queue: Poisson arrivals, each replica one server that takes as long for every request.
 * Exact for one server, for more by the approximation of Cosmetatos (1975): within 1 % from half load on. Undefined at
 * full load, where the queue is never steady.
 */
export function meanRandomWaitMs({ arrivalsPerHour, replicas, service }: RandomWaitInput): number | undefined {
  const { perReplicaPerHour, ratePerHour } = service;
  const isHeldBack = ratePerHour !== undefined && ratePerHour < replicas * perReplicaPerHour;
  const servers = isHeldBack ? 1 : replicas; // the queue's rate lets them begin one after the other
  const perServerPerHour = isHeldBack ? ratePerHour : perReplicaPerHour;
  const offered = arrivalsPerHour / perServerPerHour;
  const load = offered / servers;
  if (load >= 1) return undefined;
  if (load === 0) return 0;
  const exponential = waitShare(offered, servers) / (servers - offered); // M/M/c, in service times
  const correction = ((1 - load) * (servers - 1) * (Math.sqrt(4 + 5 * servers) - 2)) / (16 * load * servers);
  return (exponential / 2) * (1 + correction) * (hourMs / perServerPerHour);
}

/** Erlang's C, by way of his B: the share of the requests that find all servers busy. */
function waitShare(offered: number, servers: number): number {
  let refused = 1;
  for (let server = 1; server <= servers; server += 1) refused = (offered * refused) / (server + offered * refused);
  return refused / (1 - (offered / servers) * (1 - refused));
}
