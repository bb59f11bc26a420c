import type { Peer } from "../peers/peer.ts";
import { live } from "./life.ts";
import type { Measured, Scenario, Settings } from "./scenario.ts";

const places = { orders: 100_000, groups: 1_000, urgencies: 8 };

/** Life where each request has an order key, a group and an urgency, beside the same peer's life without. */
export const lines: Scenario = {
  name: "lines",
  title: "life with one of 100,000 order keys, 1,000 groups and 8 urgencies each, beside life without",
  figure: "perSecond",
  peers: ["bullmq", "pg-boss", "graphile-worker", "sluice", "cluster", "cluster-postgres"],
  bounds: [
    { kind: "floor", of: "sluice", figure: "shareOfPlain", atLeast: 0.6 },
    { kind: "floor", of: "cluster", figure: "shareOfPlain", atLeast: 0.6 },
    { kind: "floor", of: "cluster-postgres", figure: "shareOfPlain", atLeast: 0.6 },
  ],
  async measure(peer: Peer, settings: Settings): Promise<Measured> {
    const plain = await live(peer, settings);
    const { figures, usage } = await live(peer, settings, places);
    return {
      figures: {
        ...figures,
        plainPerSecond: plain.figures.perSecond,
        shareOfPlain: figures.perSecond / plain.figures.perSecond,
        plainCpuSecondsPer100k: plain.figures.cpuSecondsPer100k,
      },
      usage,
    };
  },
};
