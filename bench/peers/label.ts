import type { PeerName } from "./peer.ts";

/** How tables and charts name the peers. */
export const peerLabels: Readonly<Record<PeerName, string>> = {
  bare: "bare node:http",
  bullmq: "Fastify + BullMQ",
  textbook: "the textbook",
  "pg-boss": "pg-boss",
  "graphile-worker": "graphile-worker",
  sluice: "Sluice, embedded",
  cluster: "Sluice, cluster",
  "cluster-postgres": "Sluice, PostgreSQL alone",
};
