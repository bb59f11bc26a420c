// Good and bad requests in one queue, on both engines, for a target and a handler: the good ones keep their rate. The same
// good requests go to a queue without bad ones at the same time, so that a slow machine slows both.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { writeFile } from "node:fs/promises";
import type { WireQueue } from "@sluice/client";
import { startSluice, startSluiceGateway, startSluiceWorker, temporaryFolder } from "@sluice/testing";
import {
  migrate,
  openClusterUnderTest,
  sluiceEntry,
  type ClusterUnderTest,
} from "../../packages/sluice/test/cluster-under-test.ts";
import { isFull } from "./effort.ts";

const wellMs = 5;
const timeoutMs = 2_000;
/** Good requests in a second, for so long; one bad one of each kind for every twenty. */
const steady = { perSecond: 60, forMs: isFull ? 600_000 : 4_000 };
/** As the issue was found: all at once, and one in twenty is never answered. */
const burst = isFull ? { good: 2_830, hanging: 150, failing: 20 } : { good: 930, hanging: 50, failing: 20 };

const bodies = { good: "good", hangs: "hangs", fails: "fails", throttled: "throttled" } as const;
type Kind = keyof typeof bodies;
type Run = "target" | "handler";

const config = (targetUrl: string): string => `
import { setTimeout as sleep } from "node:timers/promises";
import { defineConfig } from ${sluiceEntry};

async function handle(request) {
  const kind = request.json();
  if (kind === "hangs") await new Promise(() => {});
  if (kind !== "good") throw new Error(kind);
  await sleep(${wellMs});
}
const common = { concurrency: 48, timeout: "${timeoutMs}ms" };
const target = ${JSON.stringify(targetUrl)};
export default defineConfig({
  queues: {
    "target-alone": { ...common, target },
    "target-mixed": { ...common, target },
    "target-burst": { ...common, concurrency: 16, target },
    "handler-alone": { ...common, handle },
    "handler-mixed": { ...common, handle },
    "handler-burst": { ...common, concurrency: 16, handle },
  },
});
`;

/** Service B: 5 ms for a good request; a bad one is never answered, fails, or is throttled. */
async function startTarget(): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer((request, response) => void answer(request, response)).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = "";
  for await (const chunk of request) body += String(chunk);
  if (body === '"hangs"') return;
  if (body === '"fails"') return void response.writeHead(500).end();
  if (body === '"throttled"') return void response.writeHead(429, { "retry-after": "1" }).end();
  setTimeout(() => response.end("done"), wellMs);
}

async function send(url: string, queue: string, kinds: readonly Kind[]): Promise<void> {
  const response = await fetch(`${url}/v1/queues/${queue}/batches`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: kinds.map((kind) => JSON.stringify({ body: bodies[kind] })).join("\n"),
  });
  assert.equal(response.status, 202, await response.text());
}

async function doneOf(url: string, queue: string): Promise<number> {
  const response = await fetch(`${url}/v1/queues/${queue}`);
  return ((await response.json()) as WireQueue).counts.done;
}

/** A few times a second, until the time is over. Gives how many good ones were sent. */
async function sendSteadily(url: string, run: Run): Promise<number> {
  const beatMs = 250;
  const first: readonly Kind[] = ["good"];
  const queues = [`${run}-alone`, `${run}-mixed`];
  await Promise.all(queues.map((queue) => send(url, queue, first)));
  for (const queue of queues) await reachDone(url, queue, { count: 1, withinMs: 30_000 });
  const startedAt = performance.now();
  let sent = 0;
  while (performance.now() - startedAt < steady.forMs) {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * steady.perSecond);
    const good = Array.from({ length: due - sent }, (): Kind => "good");
    const bad = good.flatMap((_, n): Kind[] => ((sent + n) % 20 === 0 ? ["hangs", "fails", "throttled"] : []));
    sent = due;
    if (good.length > 0)
      await Promise.all([send(url, `${run}-alone`, good), send(url, `${run}-mixed`, [...bad, ...good])]);
    await delay(beatMs);
  }
  return sent + first.length;
}

/** When the queue without bad ones has done all its requests, the other one has done 95 % of the same. */
async function assertSteady(url: string, run: Run): Promise<void> {
  const sent = await sendSteadily(url, run);
  await reachDone(url, `${run}-alone`, { count: sent, withinMs: 30_000 });
  const mixed = await doneOf(url, `${run}-mixed`);
  assert.ok(mixed >= sent * 0.95, `${mixed} good requests are done among bad ones, and ${sent} without`);
}

interface Expected {
  readonly count: number;
  readonly withinMs: number;
}

async function reachDone(url: string, queue: string, { count, withinMs }: Expected): Promise<void> {
  const endsAt = performance.now() + withinMs;
  let done = 0;
  while (done < count && performance.now() < endsAt) {
    await delay(100);
    done = await doneOf(url, queue);
  }
  assert.equal(done, count, `good requests of ${queue} done within ${withinMs} ms`);
}

/** The time that the hanging ones take for their first attempts cannot be saved; half as much again, and the work itself. */
async function assertBurst(url: string, run: Run): Promise<void> {
  const { good, hanging, failing } = burst;
  const queue = `${run}-burst`;
  const kinds = Array.from({ length: good + hanging + failing }, (_, n): Kind => {
    if (n % 20 === 0 && n / 20 < hanging) return "hangs";
    return n % 50 === 7 && n / 50 < failing ? "fails" : "good";
  });
  const sentGood = kinds.filter((kind) => kind === "good").length;
  await send(url, queue, kinds);
  await reachDone(url, queue, { count: sentGood, withinMs: (hanging * timeoutMs * 1.5) / 16 + 10_000 });
}

const resources = new AsyncDisposableStack();
let configFile: string;
let targetUrl: string;

before(async () => {
  targetUrl = resources.use(await startTarget()).url;
  const folder = resources.use(await temporaryFolder());
  configFile = join(folder.path, "sluice.config.ts");
  await writeFile(configFile, config(targetUrl));
});
after(() => resources.disposeAsync());

async function assertEmbedded(run: Run, args: readonly string[] = []): Promise<void> {
  await using folder = await temporaryFolder();
  await using sluice = await startSluice({ dataFolder: join(folder.path, "data"), configFile, args });
  await assertSteady(sluice.url, run);
  await assertBurst(sluice.url, run);
}

/** Ten minutes each: at once, as the rate is far below what the machine can do. */
const atOnce = { concurrency: isFull };

describe("on the embedded engine", atOnce, () => {
  test("good requests to a target keep their rate among bad ones", () => assertEmbedded("target"));
  if (isFull) test("good requests to a handler keep their rate among bad ones", () => assertEmbedded("handler"));
  if (isFull)
    test("good requests to worker processes keep their rate", () => assertEmbedded("handler", ["--processes", "2"]));
});

describe("on a cluster", atOnce, () => {
  let cluster: ClusterUnderTest;
  before(async () => {
    cluster = await openClusterUnderTest({ name: "mixtures", config: config(targetUrl) });
  });
  after(() => cluster[Symbol.asyncDispose]());

  async function assertCluster(run: Run): Promise<void> {
    const { configFile: file } = cluster;
    const env = await cluster.newEnv();
    await migrate(file, env);
    await using gateway = await startSluiceGateway({ configFile: file, env });
    await using _worker = await startSluiceWorker({ configFile: file, env });
    await assertSteady(gateway.url, run);
    await assertBurst(gateway.url, run);
  }

  if (isFull) test("good requests of a cluster to a target keep their rate", () => assertCluster("target"));
  test("good requests of a cluster to a handler keep their rate", () => assertCluster("handler"));
});
