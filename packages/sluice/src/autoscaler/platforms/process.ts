// Copies of `sluice worker` as processes of this host. They are this process's own: none outlives it by more than a
// graceful stop, since each ends by itself once its connection to this process is gone, even if this process was killed.
// What they held is handed back or recovered, so that a killed autoscaler costs time and nothing else.
import cluster, { type Worker as Copy } from "node:cluster";
import type { Logger } from "../../telemetry/log.ts";
import type { Platform, ReplicaCount, ScaleResult } from "../platform.ts";

export interface ProcessOptions {
  /** What each copy runs. */
  readonly file: string;
  readonly args: readonly string[];
  /** How long a copy that has to go may take before it is killed, in milliseconds. */
  readonly graceMs: number;
  /** How long to wait before one that died is started again, doubled each time; 1,000 unless set. */
  readonly restartMinMs?: number | undefined;
  readonly log: Logger;
}

const restartMaxMs = 30_000;

/** At most one in a process: the settings of node:cluster are shared. */
export function openProcesses(options: ProcessOptions): Platform {
  cluster.setupPrimary({ exec: options.file, args: [...options.args] });
  return new ProcessPlatform(options);
}

interface Place {
  copy: Copy | undefined;
  startedAt: number;
  restartMs: number;
  restart: NodeJS.Timeout | undefined;
}

class ProcessPlatform implements Platform {
  readonly name = "process";
  readonly #options: ProcessOptions;
  /** One for each replica that is asked for, the oldest first. */
  readonly #places: Place[] = [];
  /** Copies that were told to go, until they are gone. */
  readonly #leaving = new Set<Promise<void>>();
  #version = 0;

  constructor(options: ProcessOptions) {
    this.#options = options;
  }

  replicas(): Promise<ReplicaCount> {
    return Promise.resolve({ replicas: this.#places.length, version: String(this.#version) });
  }

  scaleTo(replicas: number, version: string): Promise<ScaleResult> {
    if (version !== String(this.#version)) return Promise.resolve("conflict");
    this.#resize(replicas);
    return Promise.resolve("scaled");
  }

  standDown(): Promise<void> {
    if (this.#places.length > 0) this.#resize(0);
    return Promise.resolve();
  }

  /** Resolves once all copies are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#resize(0);
    await Promise.all(this.#leaving);
  }

  #resize(replicas: number): void {
    this.#version += 1;
    while (this.#places.length < replicas) this.#places.push(this.#newPlace());
    while (this.#places.length > replicas) this.#leave(this.#places.pop() as Place);
  }

  #newPlace(): Place {
    const restartMs = this.#options.restartMinMs ?? 1_000;
    const place: Place = { copy: undefined, startedAt: 0, restartMs, restart: undefined };
    this.#start(place);
    return place;
  }

  #start(place: Place): void {
    const copy = cluster.fork();
    place.copy = copy;
    place.startedAt = performance.now();
    copy.once("exit", (code, signal) => this.#ended(place, { pid: copy.process.pid, code, signal }));
    copy.on("error", () => {}); // a copy that could not be started or written to: its end is told as well
    this.#options.log.debug({ pid: copy.process.pid }, "a worker is started");
  }

  #ended(
    place: Place,
    end: { readonly pid: number | undefined; readonly code: number; readonly signal: string },
  ): void {
    place.copy = undefined;
    if (!this.#places.includes(place)) return; // it was told to go
    const { restartMinMs = 1_000, log } = this.#options;
    if (performance.now() - place.startedAt > restartMaxMs) place.restartMs = restartMinMs;
    log.warn({ ...end, restartMs: place.restartMs }, "a worker ended by itself: it is started again");
    place.restart = setTimeout(() => this.#start(place), place.restartMs);
    place.restartMs = Math.min(2 * place.restartMs, restartMaxMs);
  }

  #leave({ copy, restart }: Place): void {
    clearTimeout(restart);
    if (copy === undefined) return;
    const leaving = this.#end(copy).finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  /** It finishes what it runs, or hands it back; killed, it would lose nothing either, but take longer. */
  async #end(copy: Copy): Promise<void> {
    const { graceMs, log } = this.#options;
    const gone = new Promise((resolve) => void copy.once("exit", resolve));
    copy.process.kill("SIGTERM");
    const killing = setTimeout(() => {
      log.warn({ pid: copy.process.pid, graceMs }, "a worker did not go in time: it is killed");
      copy.process.kill("SIGKILL");
    }, graceMs);
    await gone;
    clearTimeout(killing);
  }
}
