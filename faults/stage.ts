// Where a scenario plays: a data folder, service B, the client's ledger and one Sluice at a time on one port.
// It owns them all, and the processes end with it.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  freePort,
  startChild,
  startSluice,
  temporaryFolder,
  type Child,
  type Exit,
  type Sluice,
} from "@sluice/testing";
import { check, type Figures } from "./checker.ts";
import { Ledger } from "./ledger.ts";
import { readLog } from "./logs.ts";
import { isBrokenOff, readAudit, readOutcomes, readResultHash } from "./readings.ts";
import type { Sender } from "./sender.ts";

export interface StageOptions {
  /** `honours-key`: a key's effect is made once. `plain`: an effect for each start. */
  readonly mode?: "honours-key" | "plain";
  /** The chance that B fails before its effect, and that it breaks off after it. */
  readonly flakiness?: number;
  readonly configFile?: string;
  /** The data folder; one of the stage's own unless given. */
  readonly dataFolder?: string;
  /** More arguments of `sluice up`. */
  readonly args?: readonly string[];
}

export interface LifeOptions {
  /** SLUICE_CRASH_AT */
  readonly crashAt?: string | undefined;
}

const ordersConfig = fileURLToPath(new URL("./orders.config.ts", import.meta.url));
export const poisonConfig = fileURLToPath(new URL("./poison.config.ts", import.meta.url));
const serviceB = fileURLToPath(new URL("./service-b.ts", import.meta.url));
const graceSeconds = 10;
const resultsSampled = 20;

export class Stage implements AsyncDisposable {
  readonly ledger: Ledger;
  readonly dataFolder: string;
  readonly #folder: string;
  readonly #options: StageOptions;
  readonly #targetUrl: string;
  readonly #port: number;
  readonly #resources: AsyncDisposableStack;

  static async open(options: StageOptions = {}): Promise<Stage> {
    await using resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryFolder());
    const { mode = "honours-key", flakiness = 0 } = options;
    const args = [serviceB, path, mode, String(flakiness)];
    const target = resources.use(await startChild({ command: process.execPath, args }));
    const [, targetUrl = ""] = await target.line(/listens on (http:\S+)/);
    const ledger = resources.use(await Ledger.open(join(path, "ledger.ndjson")));
    const dataFolder = options.dataFolder ?? join(path, "data");
    await mkdir(dataFolder, { recursive: true });
    const port = await freePort();
    return new Stage({ path, options, targetUrl, ledger, dataFolder, port, resources: resources.move() });
  }

  private constructor(parts: {
    readonly path: string;
    readonly options: StageOptions;
    readonly targetUrl: string;
    readonly ledger: Ledger;
    readonly dataFolder: string;
    readonly port: number;
    readonly resources: AsyncDisposableStack;
  }) {
    this.ledger = parts.ledger;
    this.dataFolder = parts.dataFolder;
    this.#folder = parts.path;
    this.#options = parts.options;
    this.#targetUrl = parts.targetUrl;
    this.#port = parts.port;
    this.#resources = parts.resources;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Starts Sluice on the stage's folder; undefined when it was killed before it listened. */
  async start({ crashAt }: LifeOptions = {}): Promise<Sluice | undefined> {
    try {
      return await startSluice({
        dataFolder: this.dataFolder,
        port: this.#port,
        configFile: this.#options.configFile ?? ordersConfig,
        args: ["--grace", `${graceSeconds}s`, "--log-level", "error", ...(this.#options.args ?? [])],
        env: { SLUICE_CRASH_AT: crashAt, FAULTS_TARGET: `${this.#targetUrl}/work`, FAULTS_FOLDER: this.#folder },
      });
    } catch (error) {
      if (error instanceof Error && error.message.startsWith("the process ended (SIGKILL)")) return undefined;
      throw error;
    }
  }

  /** As `start`, where a death before it listens is none of the fault's. */
  async startAlive(): Promise<Sluice> {
    const sluice = await this.start();
    if (sluice === undefined) throw new Error("Sluice was killed at its start, and nobody was meant to");
    return sluice;
  }

  /** `work`, or `reject`: every request is answered 400. */
  async behave(behaviour: "work" | "reject"): Promise<void> {
    await fetch(`${this.#targetUrl}/behaviour`, { method: "PUT", body: behaviour });
  }

  /** Notes a few results that are there by now: they may never change again. Stops when the process dies on the way. */
  async sampleResults(ids: readonly string[]): Promise<void> {
    try {
      for (const id of ids.slice(-resultsSampled)) {
        const resultHash = await readResultHash(this.url, id);
        if (resultHash !== undefined) await this.ledger.append({ kind: "result", id, resultHash });
      }
    } catch (error) {
      if (!isBrokenOff(error)) throw error;
    }
  }

  /**
   * A last life without faults: sends again what has no receipt, waits for every outcome, reads everything back and
   * stops. The figures, and what else was wrong.
   */
  async finish(senders: readonly Sender[]): Promise<{ readonly figures: Figures; readonly violations: string[] }> {
    await using sluice = await this.startAlive();
    const { signal } = new AbortController();
    for (const sender of senders) await sender.send({ url: this.url, concurrency: 8, signal, newMax: 0 });
    const readings = await readOutcomes(this.url);
    const audit = await readAudit(this.url);
    const violations: string[] = [];
    if (!audit.holds) violations.push(`the audit does not hold: ${JSON.stringify(audit.queues)}`);
    const unfinished = readings.filter(({ state }) => !["done", "dead", "cancelled"].includes(state)).length;
    if (unfinished > 0) violations.push(`${unfinished} requests are in the backlog after the drain`);
    const exit = await stopGracefully(sluice);
    if (exit.code !== 0) violations.push(`SIGTERM ended it with ${exit.signal ?? exit.code}`);
    const evidence = {
      ledger: this.ledger.lines,
      starts: readLog(this.#folder, "starts"),
      effects: readLog(this.#folder, "effects"),
      readings,
    };
    return { figures: check(evidence), violations };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}

/** SIGTERM, and SIGKILL for who outstays the grace by far. */
export async function stopGracefully(sluice: Child): Promise<Exit> {
  sluice.kill("SIGTERM");
  const giveUp = setTimeout(() => sluice.kill("SIGKILL"), (graceSeconds + 10) * 1_000);
  const exit = await sluice.exited;
  clearTimeout(giveUp);
  return exit;
}
