// One `sluice up` on a folder that outsiders damage and under a clock that they move; it may be killed and started again.
import { globSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram, startSluice, temporaryFolder, type Sluice, type TemporaryFolder } from "@sluice/testing";

const sluice = JSON.stringify(new URL("../../../packages/sluice/src/index.ts", import.meta.url).href);
/** The body says what becomes of the first attempt; each later one is done. */
const config = `
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { defineConfig, Reject, RetryLater } from ${sluice};
const begun = new URL("./begun/", import.meta.url);
mkdirSync(begun, { recursive: true });
function isFirst(id) {
  const mark = new URL(id, begun);
  if (existsSync(mark)) return false;
  writeFileSync(mark, "");
  return true;
}
export default defineConfig({ queues: { q: { concurrency: 4,
  async handle(request, { attempt }) {
    const { first, ms = 0 } = await request.json();
    if (first === "done" || !isFirst(request.id)) return { attempt };
    if (first === "later") throw new RetryLater(ms);
    if (first === "dead") throw new Reject("as asked");
    await delay(ms);
    return { attempt };
  } } } });
`;

export type First = { readonly first: "done" | "dead" } | { readonly first: "later" | "slow"; readonly ms: number };

export interface Answer {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- what came over the wire has no type
  readonly json: any;
}

export class EmbeddedServer implements AsyncDisposable {
  readonly folder: string;
  readonly #root: TemporaryFolder;
  readonly #clockFile: string;
  readonly #env: Readonly<Record<string, string>>;
  #process: Sluice | undefined;

  static async make(env: Readonly<Record<string, string>> = {}, folder?: string): Promise<EmbeddedServer> {
    const root = await temporaryFolder();
    writeFileSync(join(root.path, "sluice.config.ts"), config);
    return new EmbeddedServer(root, env, folder ?? join(root.path, "data"));
  }

  private constructor(root: TemporaryFolder, env: Readonly<Record<string, string>>, folder: string) {
    this.#root = root;
    this.#env = env;
    this.folder = folder;
    this.#clockFile = join(root.path, "clock");
    this.setClock("+0");
  }

  /** As libfaketime has it, such as `-365d`: a server that runs sees it within a tenth of a second. */
  setClock(off: string): void {
    writeFileSync(this.#clockFile, off);
  }

  /** Rejects, with what the process said, when it refuses to start. */
  async start({ hasFakeClock = false } = {}): Promise<void> {
    const configFile = join(this.#root.path, "sluice.config.ts");
    const env = { ...this.#env, ...(hasFakeClock && fakeClock(this.#clockFile)) };
    const args = ["--disk-free-min", "1MiB"];
    this.#process = await startSluice({ dataFolder: this.folder, configFile, env, args });
  }

  async stop(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.#process?.kill(signal);
    await this.#process?.exited;
  }

  output(): string {
    return this.#process?.output() ?? "";
  }

  /** What it said, when it has ended by itself. */
  async ended(): Promise<string | undefined> {
    const alive = Symbol();
    const end = await Promise.race([this.#process?.exited, new Promise((resolve) => setImmediate(resolve, alive))]);
    return end === alive ? undefined : this.#process?.output();
  }

  async send(first: First, key?: string): Promise<Answer> {
    const headers = { "content-type": "application/json", ...(key !== undefined && { "idempotency-key": key }) };
    return this.call("/v1/queues/q/requests", { method: "POST", headers, body: JSON.stringify(first) });
  }

  /** The id of a request that was accepted. */
  async accepted(first: First): Promise<string> {
    const { status, json } = await this.send(first);
    if (status !== 202) throw new Error(`${status}: ${JSON.stringify(json)}`);
    return json.id;
  }

  async call(path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(`${this.#process?.url}${path}`, { ...init, signal: AbortSignal.timeout(20_000) });
    const text = await response.text();
    const isOurs = /json/.test(response.headers.get("content-type") ?? "") && text !== "" && !path.endsWith("/body");
    return { status: response.status, json: isOurs ? JSON.parse(text) : undefined };
  }

  async stateOf(id: string): Promise<string> {
    return (await this.call(`/v1/requests/${id}`)).json?.state;
  }

  /** Those that have no outcome when the time is up. */
  async unfinished(ids: readonly string[], withinMs: number): Promise<readonly string[]> {
    const giveUpAt = performance.now() + withinMs;
    const left = new Set(ids);
    while (left.size > 0 && performance.now() < giveUpAt) {
      for (const id of left) {
        const { json } = await this.call(`/v1/requests/${id}`, { headers: { prefer: "wait=1" } });
        if (["done", "dead", "cancelled"].includes(json?.state)) left.delete(id);
      }
    }
    return [...left];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]();
    await this.#root[Symbol.asyncDispose]();
  }
}

/** Preloaded by hand: the program faketime would be the parent of the process, and get its signals. */
function fakeClock(file: string): Readonly<Record<string, string>> {
  findProgram({ program: "faketime", debianPackage: "faketime" });
  const [library] = globSync("/usr/lib/*/faketime/libfaketimeMT.so.1");
  if (library === undefined) throw new Error("faketime is installed, but its library was not found");
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_UPDATE_TIMESTAMP_FILE: "0",
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
}
