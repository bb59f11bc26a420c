// Where a scenario plays: a data folder, service B, the client's ledger and one Sluice at a time on one port.
// It owns them all, and the processes end with it.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, startSluice, temporaryFolder, type Child, type Exit, type Sluice } from "@sluice/testing";
import type { Figures } from "./checker.ts";
import { conclude, figuresOf } from "./conclusion.ts";
import { Ledger } from "./ledger.ts";
import { sampleResults } from "./readings.ts";
import type { Sender } from "./sender.ts";
import { startTarget, type Behaviour, type Target, type TargetOptions } from "./target.ts";

export interface StageOptions extends Omit<TargetOptions, "folder"> {
  readonly configFile?: string;
  /** The data folder; one of the stage's own unless given. */
  readonly dataFolder?: string;
  /** More arguments of `sluice up`. */
  readonly args?: readonly string[];
}

export interface LifeOptions {
  /** SLUICE_CRASH_AT */
  readonly crashAt?: string | undefined;
  /** More environment of this life. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** More arguments of `sluice up`, behind the stage's own. */
  readonly args?: readonly string[] | undefined;
}

export interface FinishOptions {
  /** They send again what has no receipt. */
  readonly senders?: readonly Sender[];
  /** Results that are read back; all unless given. */
  readonly resultsMax?: number;
  /** Something was lost on purpose: the audit must say so. */
  readonly isLossMeant?: boolean;
}

export const ordersConfig = fileURLToPath(new URL("./orders.config.ts", import.meta.url));
export const graceSeconds = 10;

export class Stage implements AsyncDisposable {
  readonly ledger: Ledger;
  readonly dataFolder: string;
  readonly #folder: string;
  readonly #options: StageOptions;
  readonly #target: Target;
  readonly #port: number;
  readonly #frontPort: number | undefined;
  readonly #resources: AsyncDisposableStack;

  static async open(options: StageOptions = {}): Promise<Stage> {
    await using resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryFolder());
    const target = resources.use(await startTarget({ ...options, folder: path }));
    const ledger = resources.use(await Ledger.open(join(path, "ledger.ndjson")));
    const dataFolder = options.dataFolder ?? join(path, "data");
    await mkdir(dataFolder, { recursive: true });
    const port = await freePort();
    const frontPort = isFront(options) ? await freePort() : undefined;
    return new Stage({ path, options, target, ledger, dataFolder, port, frontPort, resources: resources.move() });
  }

  private constructor(parts: {
    readonly path: string;
    readonly options: StageOptions;
    readonly target: Target;
    readonly ledger: Ledger;
    readonly dataFolder: string;
    readonly port: number;
    readonly frontPort: number | undefined;
    readonly resources: AsyncDisposableStack;
  }) {
    this.ledger = parts.ledger;
    this.dataFolder = parts.dataFolder;
    this.#folder = parts.path;
    this.#options = parts.options;
    this.#target = parts.target;
    this.#port = parts.port;
    this.#frontPort = parts.frontPort;
    this.#resources = parts.resources;
  }

  /** Where B keeps its logs. */
  get folder(): string {
    return this.#folder;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Where the client sends: to the front any path will do. */
  get intakeUrl(): string {
    return `http://127.0.0.1:${this.#frontPort ?? this.#port}`;
  }

  /** Starts Sluice on the stage's folder; undefined when it was killed before it listened. */
  async start({ crashAt, args = [], env }: LifeOptions = {}): Promise<Sluice | undefined> {
    try {
      return await startSluice({
        dataFolder: this.dataFolder,
        port: this.#port,
        configFile: this.#options.configFile ?? ordersConfig,
        args: [
          "--grace",
          `${graceSeconds}s`,
          "--log-level",
          "error",
          ...frontArgs(this.#frontPort),
          ...(this.#options.args ?? []),
          ...args,
        ],
        env: { ...env, SLUICE_CRASH_AT: crashAt, FAULTS_TARGET: this.#target.url, FAULTS_FOLDER: this.#folder },
      });
    } catch (error) {
      if (error instanceof Error && error.message.startsWith("the process ended (SIGKILL)")) return undefined;
      throw error;
    }
  }

  /** As `start`, where a death before it listens is none of the fault's. */
  async startAlive(options: LifeOptions = {}): Promise<Sluice> {
    const sluice = await this.start(options);
    if (sluice === undefined) throw new Error("Sluice was killed at its start, and nobody was meant to");
    return sluice;
  }

  behave(behaviour: Behaviour): Promise<void> {
    return this.#target.behave(behaviour);
  }

  sampleResults(ids: readonly string[]): Promise<void> {
    return sampleResults(this.url, ids, this.ledger);
  }

  /**
   * A last life without faults: sends again what has no receipt, waits for every outcome, reads everything back and
   * stops. The figures, and what else was wrong.
   */
  async finish(
    senders: readonly Sender[],
    { resultsMax }: Pick<FinishOptions, "resultsMax"> = {},
  ): Promise<{ readonly figures: Figures; readonly violations: string[] }> {
    await using sluice = await this.startAlive();
    const { readings, violations } = await conclude({
      urls: [this.url],
      intakeUrls: [this.intakeUrl],
      senders,
      resultsMax,
    });
    const exit = await stopGracefully(sluice);
    if (exit.code !== 0) violations.push(`SIGTERM ended it with ${exit.signal ?? exit.code}`);
    return { figures: figuresOf(this.#folder, { ledger: this.ledger, readings, senders }), violations };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}

export function isFront({ door = "api" }: Pick<TargetOptions, "door">): boolean {
  return door === "front" || door === "front-wait";
}

export function frontArgs(port: number | undefined): readonly string[] {
  return port === undefined ? [] : ["--front", String(port), "--queue", "orders"];
}

/** SIGTERM, and SIGKILL for who outstays the grace by far. */
export async function stopGracefully(sluice: Child): Promise<Exit> {
  sluice.kill("SIGTERM");
  const giveUp = setTimeout(() => sluice.kill("SIGKILL"), (graceSeconds + 10) * 1_000);
  const exit = await sluice.exited;
  clearTimeout(giveUp);
  return exit;
}
