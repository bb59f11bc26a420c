// What the browser tests look at: a running Sluice with three queues, service B behind them, and a browser.
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { WireQueue, WireReceipt } from "@sluice/client";
import { sluiceCommand, startSluice, temporaryFolder, type Sluice } from "@sluice/testing";
import { build } from "vite";
import { startServiceB, type ServiceB } from "./service-b.ts";

export interface Stage extends AsyncDisposable {
  readonly url: string;
  readonly serviceB: ServiceB;
  /** Sends orders: `customer` is "C-404" for one that service B does not know yet. Gives their ids. */
  send(queue: string, orders: readonly object[]): Promise<readonly string[]>;
  queue(name: string): Promise<WireQueue>;
  /** From now on calls need a key; this is one with these scopes. */
  makeKey(scopes: string): Promise<string>;
  /** Kills Sluice. */
  kill(): Promise<void>;
  /** Starts it again with the same data, at the same address. */
  startAgain(): Promise<void>;
}

/** The dashboard as its sources are now. */
export async function buildDashboard(): Promise<void> {
  await build({ root: join(import.meta.dirname, ".."), logLevel: "warn" });
}

export interface StageOptions {
  readonly schedules?: object;
}

export async function openStage({ schedules = {} }: StageOptions = {}): Promise<Stage> {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await temporaryFolder());
  const serviceB = opened.use(await startServiceB());
  const configFile = join(folder.path, "sluice.config.ts");
  const data = join(folder.path, "data");
  const target = serviceB.url;
  const queues = {
    orders: { target, rate: "360000/h", concurrency: 16 },
    invoices: { target, rate: "7200/h" },
    mails: { target, rate: "36000/h", order: { afterDead: "hold" } },
  };
  await writeFile(configFile, `export default ${JSON.stringify({ queues, schedules })};\n`);
  const start = (port = 0): Promise<Sluice> => startSluice({ dataFolder: data, configFile, port });
  let sluice = await start();
  opened.defer(() => sluice[Symbol.asyncDispose]());
  const { url, port } = sluice;
  const owned = opened.move();
  return {
    url,
    serviceB,
    async send(queue, orders) {
      const body = orders.map((order) => JSON.stringify({ body: order })).join("\n");
      const response = await fetch(`${url}/v1/queues/${queue}/batches`, { method: "POST", body });
      const { receipts } = (await response.json()) as { readonly receipts: readonly WireReceipt[] };
      return receipts.map(({ id }) => id);
    },
    queue: async (name) => (await (await fetch(`${url}/v1/queues/${name}`)).json()) as WireQueue,
    async makeKey(scopes) {
      const args = [sluiceCommand, "keys", "create", "--name", "page", "--scope", scopes, "--data", data];
      const key = execFileSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
      let status = 200;
      while (status !== 401) ({ status } = await fetch(`${url}/v1/queues`)); // it looks at the file once a second
      return key.trim();
    },
    async kill() {
      await sluice[Symbol.asyncDispose]();
    },
    async startAgain() {
      sluice = await start(port);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
