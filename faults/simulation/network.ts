// The ways between processes and servers: how long they take, and which are silent now.
import type { Random } from "../../packages/sluice/src/core/seeded-random.ts";
import type { Process } from "./process.ts";
import type { Time } from "./time.ts";
import type { ServerName, Wire } from "./wire.ts";

const leastMs = 0.05;
const usualMs = 1;
const slowMs = 60;

export class Network {
  readonly wires = new Set<Wire>();
  readonly #time: Time;
  readonly #random: Random;
  /** Until when nothing arrives on the way between a process and a server. */
  readonly #silentUntil = new Map<string, number>();
  /** How often a message is slow. */
  slowShare = 0;

  constructor(time: Time, random: Random) {
    this.#time = time;
    this.#random = random;
  }

  latencyMs(): number {
    const most = this.#random.next() < this.slowShare ? slowMs : usualMs;
    return leastMs + this.#random.next() * most;
  }

  /** When something sent now arrives: in its order, and not while the way is silent. */
  arrival({ process, server }: Wire, notBefore: number): number {
    const silentUntil = this.#silentUntil.get(wayOf(process, server)) ?? 0;
    return Math.max(Math.max(this.#time.now, silentUntil) + this.latencyMs(), notBefore);
  }

  /** What is sent meanwhile arrives afterwards, as TCP sends it again. */
  silence(process: Process, server: ServerName, forMs: number): void {
    this.#silentUntil.set(wayOf(process, server), this.#time.now + forMs);
  }

  wiresTo(server: ServerName): readonly Wire[] {
    return [...this.wires].filter((wire) => wire.server === server);
  }
}

function wayOf(process: Process, server: ServerName): string {
  return `${process.name} ${server}`;
}
