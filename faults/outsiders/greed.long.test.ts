// One caller asks for all it can get, in one way after the other: the others keep 95 % of their rate, and the memory its bound.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { WireQueue, WireReceipt, WireReplayAnswer } from "@sluice/client";
import { startSluice, temporaryFolder, type Sluice } from "@sluice/testing";
import { sluiceEntry } from "../../packages/sluice/test/cluster-under-test.ts";
import { isFull } from "./effort.ts";

const mib = 2 ** 20;
/** Of the others: so many requests in a second, far fewer than a slow machine takes, for so long. */
const calm = { perSecond: 20, forMs: isFull ? 20_000 : 1_500 };
const idleQueues = isFull ? 1_000 : 100;
const slowReaders = 150;
const dead = isFull ? 149_000 : 6_000;
/** What is live is bounded: with no more room for objects than this it does not end, and holds no more memory than that. */
const heapMib = 256;
const residentMax = 700 * mib;

const config = (idle: number): string => `
import { defineConfig } from ${sluiceEntry};

const result = "x".repeat(10 * ${mib});
const handle = () => undefined;
const item = { type: "object", required: ["a", "b", "c"], properties: { a: { $ref: "#/definitions/item" } } };
export default defineConfig({
  queues: {
    calm: { handle },
    large: { handle: () => result, concurrency: 1 },
    deep: { handle, schema: { type: "array", items: { $ref: "#/definitions/item" }, definitions: { item } } },
    dying: { concurrency: 64, retry: { attempts: 1 }, handle() { throw new Error("no"); } },
    ...Object.fromEntries(Array.from({ length: ${idle} }, (_, n) => ["idle-" + n, { handle }])),
  },
});
`;

const resources = new AsyncDisposableStack();
let sluice: Sluice;
/** An answer is timely within this: much longer than any takes on this machine while nobody is greedy. */
let timelyMs: number;

before(async () => {
  sluice = await start(idleQueues);
  await sendCalmly(calm.forMs); // it has warmed up
  timelyMs = 1_000 + 10 * p99Of(await sendCalmly(calm.forMs));
});
after(() => resources.disposeAsync());

async function start(idle: number): Promise<Sluice> {
  const folder = resources.use(await temporaryFolder());
  const configFile = join(folder.path, "sluice.config.ts");
  await writeFile(configFile, config(idle));
  const nodeArgs = [`--max-old-space-size=${heapMib}`];
  return resources.use(await startSluice({ dataFolder: join(folder.path, "data"), configFile, nodeArgs }));
}

async function post(path: string, body: BodyInit, url = sluice.url): Promise<Response> {
  return fetch(url + path, { method: "POST", body });
}

async function queueOf(name: string): Promise<WireQueue> {
  return (await (await fetch(`${sluice.url}/v1/queues/${name}`)).json()) as WireQueue;
}

/** Sends at the calm rate, whatever is answered. Gives how long each answer took; infinitely if it was none. */
async function sendCalmly(forMs: number): Promise<readonly number[]> {
  const answers: Promise<number>[] = [];
  const startedAt = performance.now();
  for (let n = 0; n < (forMs / 1_000) * calm.perSecond; n += 1) {
    await delay(Math.max(0, startedAt + (n * 1_000) / calm.perSecond - performance.now()));
    answers.push(answerMs());
  }
  return Promise.all(answers);
}

async function answerMs(): Promise<number> {
  const startedAt = performance.now();
  const { status } = await post("/v1/queues/calm/requests", "1").catch(() => ({ status: 0 }));
  return status === 202 ? performance.now() - startedAt : Number.POSITIVE_INFINITY;
}

/** The others are answered while it goes on, again and again until they have had their time. */
async function assertCalmBeside(greed: (isOver: () => boolean) => Promise<unknown>): Promise<void> {
  let isOver = false;
  const greedy = greed(() => isOver);
  greedy.catch(() => undefined); // told below
  const tookMs = await sendCalmly(calm.forMs).finally(() => (isOver = true));
  await greedy;
  const timely = tookMs.filter((ms) => ms <= timelyMs).length;
  assert.ok(timely >= 0.95 * tookMs.length, `${timely} of ${tookMs.length} requests were answered in time`);
  const resident = residentPeak();
  assert.ok(resident < residentMax, `the process has held ${Math.round(resident / mib)} MiB`);
}

function residentPeak(): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${sluice.pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1_024;
}

async function again(isOver: () => boolean, work: () => Promise<unknown>): Promise<void> {
  do await work();
  while (!isOver());
}

describe("beside one caller that asks for all it can get", () => {
  test("the others keep their rate: clients that do not read a large result", async () => {
    const { id } = (await (await post("/v1/queues/large/requests", "1")).json()) as WireReceipt;
    while ((await queueOf("large")).backlog > 0) await delay(50);
    await assertCalmBeside(async (isOver) => {
      const sockets = Array.from({ length: slowReaders }, () => {
        const socket = connect({ host: "127.0.0.1", port: sluice.port })
          .on("error", () => undefined)
          .pause();
        socket.write(`GET /v1/requests/${id}/result HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`);
        return socket;
      });
      while (!isOver()) await delay(50);
      for (const socket of sockets) socket.destroy();
    });
  });

  test("the others keep their rate: bodies with a fault in each place, and bodies that are nothing but depth", async () => {
    const faults = `[${"{},".repeat(mib / 3 - 2)}{}]`;
    const depth = "[".repeat(mib);
    await assertCalmBeside((isOver) =>
      again(isOver, async () => {
        const answers = [await post("/v1/queues/deep/requests", faults), await post("/v1/queues/deep/requests", depth)];
        assert.deepEqual(
          answers.map(({ status }) => status),
          [422, 422],
        );
      }),
    );
  });

  test("the others keep their rate: a bulk replay of all that is dead", async () => {
    for (let sent = 0; sent < dead; sent += 3_000)
      await post("/v1/queues/dying/batches", '{"body":1}\n'.repeat(Math.min(3_000, dead - sent)));
    while ((await queueOf("dying")).counts.dead < dead) await delay(100);
    await post("/v1/queues/dying/pause", "");
    const alone = p99Of(await sendCalmly(calm.forMs));
    const beside: number[] = [];
    await assertCalmBeside(async () => {
      const body = JSON.stringify({ limit: dead });
      let isReplayed = false;
      const replaying = post("/v1/queues/dying/replay", body).finally(() => (isReplayed = true));
      await again(
        () => isReplayed,
        async () => void beside.push(await answerMs()),
      );
      const report = (await (await replaying).json()) as WireReplayAnswer;
      assert.deepEqual([report.matched, report.replayed], [dead, dead]);
    });
    assert.ok(p99Of(beside) < 2 * alone + 100, `${p99Of(beside)} ms beside it, ${alone} ms alone`);
  });

  test("the others keep their rate: 64 audits at once, and 20 batches", async () => {
    await post("/v1/queues/idle-0/pause", "");
    await assertCalmBeside((isOver) =>
      again(isOver, () =>
        Promise.all([
          ...Array.from({ length: 64 }, () => fetch(`${sluice.url}/v1/audit`).then((answer) => answer.text())),
          ...Array.from({ length: 20 }, () =>
            post("/v1/queues/idle-0/batches", '{"body":1}\n'.repeat(isFull ? 10_000 : 500)),
          ),
        ]),
      ),
    );
  });

  test("the page of metrics is small, and soon there", async () => {
    await (await fetch(`${sluice.url}/metrics`)).text();
    const startedAt = performance.now();
    const page = await (await fetch(`${sluice.url}/metrics`)).text();
    const tookMs = performance.now() - startedAt;
    assert.ok(page.length < 3 * mib && tookMs < 2_000, `${page.length} bytes in ${Math.round(tookMs)} ms`);
  });
});

if (isFull)
  test("a request costs about as much with a thousand queues as with ten", async () => {
    const [few, many] = [await start(10), await start(1_000)];
    await cpuOfPosts(few); // each has warmed up
    await cpuOfPosts(many);
    const [cheap, dear] = [await cpuOfPosts(few), await cpuOfPosts(many)];
    assert.ok(dear < 1.2 * cheap, `${dear} ticks with a thousand queues, ${cheap} with ten`);
  });

/** So far apart that no two of them share a reading of the queue. */
async function cpuOfPosts({ url, pid }: Sluice): Promise<number> {
  const before = ticksOf(pid);
  for (let n = 0; n < 200; n += 1) {
    assert.equal((await post("/v1/queues/calm/requests", "1", url)).status, 202);
    await delay(50);
  }
  return ticksOf(pid) - before;
}

function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

function p99Of(ms: readonly number[]): number {
  return ms.toSorted((a, b) => a - b)[Math.floor(0.99 * ms.length)] ?? 0;
}
