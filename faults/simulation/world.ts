// One history's world: time, chance, network, servers, processes, and who checks what happens in it.
import { seededRandom, type Random } from "../../packages/sluice/src/core/seeded-random.ts";
import { BrokerServer } from "./broker.ts";
import { CacheServer } from "./cache.ts";
import { Checks } from "./checks.ts";
import { Faults } from "./faults.ts";
import type { Recorder } from "./ledger/recording.ts";
import { Ledger } from "./ledger/server.ts";
import { Network } from "./network.ts";
import type { Process } from "./process.ts";
import { Time } from "./time.ts";

export const queues = ["orders", "mails", "books"] as const;
export const prefix = "sim";

export interface WorldOptions {
  readonly trace?: ((line: string) => void) | undefined;
  readonly record?: Recorder | undefined;
}

export class World {
  readonly seed: number;
  readonly time: Time;
  readonly random: Random;
  readonly network: Network;
  readonly ledger: Ledger;
  readonly broker: BrokerServer;
  readonly cache: CacheServer;
  readonly checks: Checks;
  readonly faults: Faults;
  readonly processes = new Set<Process>();
  readonly #carriers: Random;
  readonly #rabbitmqShare: number;
  /** Told of each statement, in a history that is to be held against PostgreSQL. */
  readonly record: Recorder | undefined;
  readonly #trace: ((line: string) => void) | undefined;

  constructor(seed: number, { trace, record }: WorldOptions) {
    this.seed = seed;
    this.record = record;
    this.#trace = trace;
    this.time = new Time((error) => this.checks.threw(error));
    this.random = seededRandom(seed, "world");
    this.#carriers = seededRandom(seed, "carriers");
    this.#rabbitmqShare = this.#carriers.pick([1, 1, 0, 0.5]);
    this.network = new Network(this.time, seededRandom(seed, "network"));
    this.checks = new Checks(this);
    this.faults = new Faults(this);
    this.ledger = new Ledger(this, queues);
    const lines = queues.flatMap((queue) => [`${prefix}.${queue}.v1`, `${prefix}.${queue}.v1.again`]);
    this.broker = new BrokerServer(this, lines);
    this.cache = new CacheServer(this);
  }

  /** Whether the process that starts now has RabbitMQ: in a history all have it, none, or each by chance. */
  drawsRabbitmq(): boolean {
    return this.#carriers.next() < this.#rabbitmqShare;
  }

  get isTraced(): boolean {
    return this.#trace !== undefined;
  }

  /** A line of the history; its text is made only where somebody reads it. */
  note(who: Process | string, text: () => string): void {
    if (this.#trace === undefined) return;
    const name = typeof who === "string" ? who : who.name;
    this.#trace(`${this.time.now.toFixed(3).padStart(11)}  ${name.padEnd(10)}  ${text()}`);
  }
}
