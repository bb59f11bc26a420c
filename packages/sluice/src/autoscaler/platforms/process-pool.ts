// Processes of this host as replicas. They are this process's own: none outlives it by more than a graceful stop, since
// each ends by itself once its connection to this process is gone, even if this process was killed.
import type { ChildProcess } from "node:child_process";
import type { Logger } from "../../telemetry/log.ts";
import type { Platform, ReplicaCount, ScaleResult } from "../platform.ts";

export interface ProcessPoolOptions {
  readonly start: () => Copy;
  /** How long a copy that has to go may take before it is killed, in milliseconds. */
  readonly graceMs: number;
  /** How long to wait before one that died is started again; 1,000 unless set. Doubles while each dies before it did any work. */
  readonly restartMinMs?: number | undefined;
  readonly log: Logger;
}

/** One process of a pool. */
export interface Copy {
  readonly pid: number | undefined;
  /** SIGTERM asks it to go, SIGKILL makes it. */
  kill(signal: "SIGTERM" | "SIGKILL"): void;
  /** Resolves once it is gone, and all that it leaves behind is seen to. */
  readonly ended: Promise<End>;
}

export interface End {
  readonly code: number | null;
  readonly signal: string | null;
  /** Whether it had begun a request, where the pool's owner can see that: its death may be the request's. */
  readonly hasWorked?: boolean;
}

const restartMaxMs = 30_000;

export function openProcessPool(options: ProcessPoolOptions): Platform {
  return new ProcessPool(options);
}

export function copyOf(process: ChildProcess): Copy {
  return {
    pid: process.pid,
    kill: (signal) => void process.kill(signal),
    ended: new Promise((resolve) => {
      process.once("exit", (code, signal) => resolve({ code, signal }));
      process.once("error", () => {
        if (process.pid === undefined) resolve({ code: null, signal: null }); // it could not be started
      });
    }),
  };
}

interface Place {
  copy: Copy | undefined;
  startedAt: number;
  restartMs: number;
  restart: NodeJS.Timeout | undefined;
}

class ProcessPool implements Platform {
  readonly name = "process";
  readonly #options: ProcessPoolOptions;
  /** One for each replica that is asked for, the oldest first. */
  readonly #places: Place[] = [];
  /** Copies that were told to go, until they are gone. */
  readonly #leaving = new Set<Promise<void>>();
  #version = 0;

  constructor(options: ProcessPoolOptions) {
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
    const copy = this.#options.start();
    place.copy = copy;
    place.startedAt = performance.now();
    void copy.ended.then((end) => this.#ended(place, { pid: copy.pid, ...end }));
    this.#options.log.debug({ pid: copy.pid }, "a worker is started");
  }

  #ended(place: Place, end: End & { readonly pid: number | undefined }): void {
    place.copy = undefined;
    if (!this.#places.includes(place)) return; // it was told to go
    const { restartMinMs = 1_000, log } = this.#options;
    const hasLived = performance.now() - place.startedAt > restartMaxMs;
    if (end.hasWorked || hasLived) place.restartMs = restartMinMs;
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
    copy.kill("SIGTERM");
    const killing = setTimeout(() => {
      log.warn({ pid: copy.pid, graceMs }, "a worker did not go in time: it is killed");
      copy.kill("SIGKILL");
    }, graceMs);
    await copy.ended;
    clearTimeout(killing);
  }
}
