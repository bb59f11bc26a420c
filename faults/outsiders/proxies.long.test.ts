// Proxies in front: two gateways are restarted in turn while requests come in, each sent once. None may fail, and none may be lost.
// The proxies run the configurations that docs/how-to/proxies.md recommends.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Agent, request as send } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  lastingPort,
  startHaproxy,
  startNginx,
  startSluice,
  temporaryFolder,
  type FrontProxy,
  type Sluice,
  type TemporaryFolder,
} from "@sluice/testing";
import { isFull } from "./effort.ts";

/** Of each gateway in full; in short three of the two together. */
const restarts = isFull ? 40 : 3;
const perSecond = 40;
const route = "/v1/queues/orders/requests";
const page = readFileSync(new URL("../../docs/how-to/proxies.md", import.meta.url), "utf8");

/** The configuration that the page shows, with other ports. */
function shown(language: string, ports: ReadonlyMap<string, number>): string {
  const [, block] = new RegExp(`\`\`\`${language}\n([^]*?)\n\`\`\``).exec(page) ?? [];
  assert.ok(block !== undefined, `the page shows a configuration for ${language}`);
  return block.replaceAll(/\b127\.0\.0\.1:(\d+)\b/g, (_, port: string) => `127.0.0.1:${ports.get(port)}`);
}

/** Two gateways, each with a store of its own, that can be started again on their ports. */
class Gateways implements AsyncDisposable {
  readonly ports: readonly number[];
  readonly #folder: TemporaryFolder;
  readonly #running: Sluice[] = [];

  static async open(): Promise<Gateways> {
    const gateways = new Gateways(await temporaryFolder(), [await lastingPort(), await lastingPort()]);
    for (const at of [0, 1]) await gateways.start(at);
    return gateways;
  }

  private constructor(folder: TemporaryFolder, ports: readonly number[]) {
    this.#folder = folder;
    this.ports = ports;
  }

  async start(at: number): Promise<void> {
    this.#running[at] = await startSluice({
      dataFolder: join(this.#folder.path, String(at)),
      port: this.ports[at],
      args: ["--queue", "orders", "--target", "http://127.0.0.1:9/"],
      env: { SLUICE_LINGER: undefined }, // the default, longer than the proxies keep idle connections
    });
  }

  /** As a deployment does: SIGTERM, the end, the next start, and a moment for the health checks to see it. */
  async roll(at: number): Promise<void> {
    const gateway = this.#running[at] as Sluice;
    gateway.kill("SIGTERM");
    assert.deepEqual(await gateway.exited, { code: 0, signal: null });
    await this.start(at);
    await sleep(1_500);
  }

  async accepted(): Promise<number> {
    const counts = this.ports.map(async (port) => {
      const response = await fetch(`http://127.0.0.1:${port}/v1/queues/orders`);
      return ((await response.json()) as { readonly accepted: number }).accepted;
    });
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const gateway of this.#running) await gateway[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

interface Reply {
  readonly status: number | undefined;
  readonly text: string;
}

/** Sends at an even pace, each request once, and notes what became of each. */
class Sender {
  readonly failures: string[] = [];
  accepted = 0;
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: false }); // what a proxy does with idle clients is not in question
  readonly #pending = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #sent = 0;

  constructor(port: number) {
    this.#port = port;
    this.#timer = setInterval(() => this.#sendOne(), 1_000 / perSecond);
  }

  get sent(): number {
    return this.#sent;
  }

  #sendOne(): void {
    this.#sent += 1;
    const sending = this.#note(this.#sent).finally(() => this.#pending.delete(sending));
    this.#pending.add(sending);
  }

  /** Most are short. Some bodies arrive slowly, some responses are waited for. */
  async #note(number: number): Promise<void> {
    try {
      const { status, text } = await this.#post(number);
      if (status === 202) this.accepted += 1;
      else this.failures.push(`${new Date().toISOString()} request ${number}: ${status} ${text.slice(0, 200)}`);
    } catch (error) {
      this.failures.push(`${new Date().toISOString()} request ${number}: ${String(error)}`);
    }
  }

  #post(number: number): Promise<Reply> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const isSlow = number % 20 === 0;
    const headers = { "content-type": "application/json", ...(number % 10 === 5 && { prefer: "wait=1" }) };
    const call = send({
      port: this.#port,
      host: "127.0.0.1",
      path: route,
      method: "POST",
      headers,
      agent: this.#agent,
    });
    call.on("error", reject);
    call.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (text += part));
      response.on("end", () => resolve({ status: response.statusCode, text }));
      response.on("error", reject);
    });
    const body = JSON.stringify({ number, filling: "x".repeat(400) });
    call.write(body.slice(0, 200));
    if (isSlow) void sleep(700).then(() => call.end(body.slice(200)));
    else call.end(body.slice(200));
    return promise;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
    this.#agent.destroy();
  }
}

/** A client without a proxy that keeps its connections. While its gateway is away it is refused: then nothing was sent. */
class Keeper {
  readonly failures: string[] = [];
  accepted = 0;
  refused = 0;
  readonly #url: string;
  readonly #running: Promise<void>;
  #isStopped = false;

  constructor(port: number) {
    this.#url = `http://127.0.0.1:${port}${route}`;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) await Promise.all([this.#send(), sleep(1_000 / perSecond)]);
  }

  async #send(): Promise<void> {
    try {
      const response = await fetch(this.#url, { method: "POST", body: "{}" });
      await response.text();
      if (response.status === 202) this.accepted += 1;
      else this.failures.push(`a response ${response.status}`);
    } catch (error) {
      const { cause } = error as { readonly cause?: { readonly code?: string; readonly syscall?: string } };
      if (cause?.syscall === "connect") this.refused += 1;
      else this.failures.push(`${new Date().toISOString()} ${cause?.syscall} ${cause?.code ?? String(error)}`);
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }
}

/** What the proxy logged. That a gateway which is away refuses connections is no fault. */
function faultsIn(proxy: FrontProxy): string {
  const lines = proxy.output().split("\n");
  return lines.filter((line) => !line.includes("Connection refused")).join("\n");
}

describe("two gateways behind proxies", { timeout: isFull ? 1_200_000 : 120_000 }, () => {
  let gateways: Gateways;
  const fronts: { readonly name: string; readonly port: number; readonly proxy: FrontProxy }[] = [];
  before(async () => {
    gateways = await Gateways.open();
    const starts = { nginx: startNginx, haproxy: startHaproxy };
    for (const [name, start] of Object.entries(starts)) {
      const port = await lastingPort();
      const [first = 0, second = 0] = gateways.ports;
      const ports = new Map([
        ["8080", port],
        ["8081", first],
        ["8082", second],
      ]);
      fronts.push({ name, port, proxy: await start(shown(name, ports)) });
    }
  });
  after(async () => {
    for (const { proxy } of fronts) await proxy[Symbol.asyncDispose]();
    await gateways[Symbol.asyncDispose]();
  });

  test(`restarted ${restarts} times in turn, no request fails and none is lost`, async (context) => {
    const before = await gateways.accepted();
    const [direct = 0] = gateways.ports;
    const keeper = new Keeper(direct);
    const senders = fronts.map(({ port }) => new Sender(port));
    for (let restart = 0; restart < restarts; restart += 1) await gateways.roll(restart % 2);
    for (const sender of senders) await sender.stop();
    await keeper.stop();
    context.diagnostic(`without a proxy: ${keeper.accepted} accepted, ${keeper.refused} connections refused`);
    for (const [at, { sent, accepted, failures }] of senders.entries())
      context.diagnostic(`${fronts[at]?.name}: ${sent} sent, ${accepted} accepted, ${failures.length} failed`);
    assert.deepEqual(keeper.failures, []);
    assert.ok(keeper.refused > 0, "it noticed no restart");
    for (const [at, { failures }] of senders.entries()) {
      const { name, proxy } = fronts[at] as (typeof fronts)[number];
      assert.deepEqual(failures, [], `${name}:\n${faultsIn(proxy)}`);
    }
    const sent = senders.reduce((sum, sender) => sum + sender.sent, keeper.accepted);
    assert.equal((await gateways.accepted()) - before, sent);
  });
});
