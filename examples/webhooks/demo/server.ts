// The server of the demo: `sluice up` as a child process, which can be killed and started again.
import { fileURLToPath } from "node:url";
import { startSluice } from "@sluice/testing";
import type { Sluice } from "@sluice/testing";

const configFile = fileURLToPath(new URL("../sluice.config.ts", import.meta.url));

export interface Crash {
  readonly pid: number;
  readonly nextPid: number;
  /** From the kill until it listens again. */
  readonly downMs: number;
}

export class Server implements AsyncDisposable {
  readonly url: string;
  readonly #dataFolder: string;
  #running: Promise<Sluice>;
  #isUp = true;

  constructor(sluice: Sluice, dataFolder: string) {
    this.url = sluice.url;
    this.#dataFolder = dataFolder;
    this.#running = Promise.resolve(sluice);
  }

  static async start({ dataFolder, port }: { readonly dataFolder: string; readonly port: number }): Promise<Server> {
    return new Server(await startSluice({ dataFolder, port, configFile }), dataFolder);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Resolves at once while the server is up, and when it listens again while it is not. */
  async up(): Promise<void> {
    await this.#running;
  }

  /** Kills it without warning and starts it again on the same data. */
  async crash(): Promise<Crash> {
    const killed = await this.#running;
    const startedAt = performance.now();
    this.#isUp = false;
    this.#running = this.#restart(killed);
    const { pid: nextPid } = await this.#running;
    this.#isUp = true;
    return { pid: killed.pid, nextPid, downMs: performance.now() - startedAt };
  }

  async #restart(sluice: Sluice): Promise<Sluice> {
    sluice.kill("SIGKILL");
    await sluice.exited;
    return startSluice({ dataFolder: this.#dataFolder, port: sluice.port, configFile });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const [running] = await Promise.allSettled([this.#running]); // a start that failed was reported by crash()
    if (running.status === "fulfilled") await running.value[Symbol.asyncDispose]();
  }
}
