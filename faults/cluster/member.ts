// One process of the cluster. It owns the process, and starts it again whenever it ends, as an orchestrator would.
import { EventEmitter, once } from "node:events";
import { appendFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { sluiceCommand, startChild, type Child, type Exit } from "@sluice/testing";
import { graceSeconds, stopGracefully } from "../stage.ts";

export type Role = "gateway" | "worker" | "autoscale";

export interface MemberOptions {
  /** `up` is both in one process, without a cluster. */
  readonly role: Role | "up";
  /** From 1. */
  readonly number: number;
  /** Of the life that begins. */
  readonly args: () => readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** SLUICE_CRASH_AT of the life that begins; undefined for one that is to go on. */
  readonly crashAt: () => string | undefined;
  /** Where all that it logs goes as well. */
  readonly logFile: string | undefined;
}

/** How one of its lives ended. */
export interface End extends Exit {
  /** Whether it was asked to, by SIGTERM. */
  readonly isAsked: boolean;
  /** Whether it had a kill point ahead. */
  readonly wasArmed: boolean;
  readonly said: string;
}

const readyMsMax = 60_000;
const pauseMs = 500;
const ready = /^Sluice (?:listens on|works on|autoscales) /;

export class Member implements AsyncDisposable {
  readonly role: Role | "up";
  readonly name: string;
  readonly ends: End[] = [];
  readonly #options: MemberOptions;
  readonly #events = new EventEmitter();
  readonly #keeping: Promise<void>;
  #child: Child | undefined;
  #isReady = false;
  #isArmed = false;
  #isAsked = false;
  #isLast = false;

  constructor(options: MemberOptions) {
    this.role = options.role;
    this.name = `${options.role} ${options.number}`;
    this.#options = options;
    this.#events.setMaxListeners(0);
    this.#keeping = this.#keep();
  }

  /** Whether the life that is under way has a kill point ahead. */
  get isArmed(): boolean {
    return this.#isArmed;
  }

  get kills(): number {
    return this.ends.filter(({ signal }) => signal === "SIGKILL").length;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** All that it has logged, in all its lives. */
  get output(): string {
    return [...this.ends.map(({ said }) => said), this.#child?.output() ?? ""].join("\n");
  }

  /** Resolves once it is ready, in this life or a later one. */
  async ready(): Promise<void> {
    if (this.#isReady) return;
    try {
      await once(this.#events, "ready", { signal: AbortSignal.timeout(readyMsMax) });
    } catch (cause) {
      throw new Error(`${this.name} was not ready within ${readyMsMax} ms:\n${this.output.slice(-2_000)}`, { cause });
    }
  }

  /** Calls back whenever one of its lives has ended. */
  onEnd(callback: () => void): void {
    this.#events.on("end", callback);
  }

  /** A line of the life that is under way. */
  line(pattern: RegExp): Promise<RegExpExecArray> {
    if (this.#child === undefined) throw new Error(`${this.name} does not run now`);
    return this.#child.line(pattern);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** SIGTERM; resolves, with how long it took to end, once it is ready again. */
  async restart(): Promise<number> {
    const seconds = await this.#end();
    await this.ready();
    return seconds;
  }

  /** SIGTERM, and no other life. */
  async stop(): Promise<void> {
    await this.#end({ isLast: true });
    await this.#keeping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isLast = true;
    this.#child?.kill("SIGKILL");
    await this.#keeping;
  }

  async #end({ isLast = false } = {}): Promise<number> {
    await this.ready(); // SIGTERM kills who does not listen to it yet
    const startedAt = performance.now();
    const ended = once(this.#events, "end");
    this.#isAsked = true;
    this.#isLast ||= isLast;
    if (this.#child !== undefined) await stopGracefully(this.#child);
    await ended;
    return (performance.now() - startedAt) / 1_000;
  }

  async #keep(): Promise<void> {
    while (!this.#isLast) {
      const { code } = await this.#live();
      if (code !== 0 && code !== null && !this.#isLast) await delay(pauseMs);
    }
  }

  async #live(): Promise<Exit> {
    const { role, args, env, crashAt, logFile } = this.#options;
    const point = crashAt();
    this.#isArmed = point !== undefined;
    this.#isAsked = false;
    const child = await startChild({
      command: process.execPath,
      args: [sluiceCommand, role, ...args()],
      env: { ...env, SLUICE_CRASH_AT: point },
    });
    this.#child = child;
    if (this.#isLast) child.kill("SIGKILL");
    void child.line(ready).then(
      () => this.#tellReady(),
      () => undefined, // told by its end
    );
    const exit = await child.exited;
    const said = child.output();
    this.#isReady = false;
    this.#child = undefined;
    this.ends.push({ ...exit, isAsked: this.#isAsked, wasArmed: this.#isArmed, said });
    if (logFile !== undefined) appendFileSync(logFile, `${said}\n# ended with ${exit.signal ?? exit.code}\n`);
    this.#events.emit("end");
    return exit;
  }

  #tellReady(): void {
    this.#isReady = true;
    this.#events.emit("ready");
  }
}

/** What is wrong with how a member's lives ended: each was killed, or was asked to end and did so in order. */
export function wrongEnds({ name, ends }: Member): readonly string[] {
  return ends
    .filter(
      ({ code, signal, isAsked, wasArmed }) =>
        !(signal === "SIGKILL" && (wasArmed || !isAsked)) && !(isAsked && code === 0),
    )
    .map(({ code, signal, isAsked, said }) => {
      const how = isAsked ? `SIGTERM ended it (grace ${graceSeconds} s) with` : "it ended by itself with";
      return `${name}: ${how} ${signal ?? code}: ${said.slice(-1_000)}`;
    });
}
