// `sluice up --processes` as its users have it: real processes that are killed, poisoned, let go and orphaned. What the
// handlers did is read from their own books, not from Sluice.
import assert from "node:assert/strict";
import { watch } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setInterval } from "node:timers/promises";
import { startSluice, temporaryFolder, type Sluice } from "@sluice/testing";
import type { WireAudit, WireQueue, WireRequest, WireRequestList } from "@sluice/client";

const entry = JSON.stringify(new URL("../index.ts", import.meta.url).href);

/** Each handler writes in the book, beside the configuration, when it begins and when it ends. */
const config = `
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { defineConfig } from ${entry};

const scaling = { maxWait: "1s", hold: "1s" };
const tell = (word, { id }) => appendFileSync(new URL("book", import.meta.url), [word, id, process.pid, Date.now()].join(" ") + "\\n");

export default defineConfig({
  queues: {
    naps: {
      scaling,
      concurrency: 8,
      async handle(request) {
        tell("begins", request);
        await sleep(Number(request.text()));
        tell("ends", request);
        return String(process.pid);
      },
    },
    sums: {
      timeout: "500ms",
      scaling,
      concurrency: 8,
      handle(request) {
        tell("begins", request);
        if (request.text() === "deadly") process.kill(process.pid, "SIGKILL");
        if (request.text() === "leaves") process.exit(3);
        if (request.text() === "endless") for (;;);
        const until = performance.now() + Number(request.text());
        while (performance.now() < until);
        tell("ends", request);
        return String(process.pid);
      },
    },
    paced: { scaling, rate: "180000/h", async handle(request) { tell("begins", request); } },
  },
});
`;

interface Entry {
  readonly word: string;
  readonly id: string;
  readonly pid: number;
  readonly at: number;
}

interface Rig extends AsyncDisposable {
  start(...args: readonly string[]): Promise<Sluice>;
  /** As `start`, with two processes; resolves once both are there. */
  startTwo(...args: readonly string[]): Promise<Sluice>;
  /** What the handlers told so far. */
  book(): Promise<readonly Entry[]>;
  /** The book, once there are so many entries with the word. */
  told(word: string, count: number): Promise<readonly Entry[]>;
}

async function openRig(): Promise<Rig> {
  const folder = await temporaryFolder();
  const configFile = join(folder.path, "sluice.config.ts");
  const file = join(folder.path, "book");
  await Promise.all([writeFile(configFile, config), writeFile(file, "")]);
  const book = async (): Promise<readonly Entry[]> =>
    (await readFile(file, "utf8"))
      .split("\n")
      .slice(0, -1) // behind the last line's end
      .map((line) => line.split(" ") as [string, string, string, string])
      .map(([word, id, pid, at]) => ({ word, id, pid: Number(pid), at: Number(at) }));
  const start = (...args: readonly string[]): Promise<Sluice> =>
    startSluice({ dataFolder: join(folder.path, "data"), configFile, args });
  return {
    start,
    async startTwo(...args) {
      const sluice = await start("--processes", "2", ...args);
      await bothPresent(sluice);
      return sluice;
    },
    book,
    async told(word, count) {
      const { promise, resolve } = Promise.withResolvers<readonly Entry[]>();
      const look = async (): Promise<void> => {
        const entries = await book();
        if (entries.filter((told) => told.word === word).length >= count) resolve(entries);
      };
      const watcher = watch(file, () => void look());
      await look();
      const entries = await promise;
      watcher.close();
      return entries;
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function send({ url }: Sluice, queue: string, bodies: readonly string[]): Promise<void> {
  const body = bodies.map((text) => `${JSON.stringify({ bodyBase64: btoa(text), contentType: "text/plain" })}\n`);
  const headers = { "content-type": "application/x-ndjson" };
  const answer = await fetch(`${url}/v1/queues/${queue}/batches`, { method: "POST", body: body.join(""), headers });
  assert.equal(answer.status, 202, await answer.text());
}

async function readJson<T>({ url }: Sluice, path: string): Promise<T> {
  return (await (await fetch(url + path)).json()) as T;
}

async function bothPresent(sluice: Sluice): Promise<void> {
  for await (const _ of setInterval(50)) {
    const { queues } = await readJson<{ readonly queues: readonly WireQueue[] }>(sluice, "/v1/queues");
    if (queues.every(({ workers }) => workers === 2)) return;
  }
}

async function finished(sluice: Sluice, queue: string): Promise<WireQueue> {
  for await (const _ of setInterval(50)) {
    const status = await readJson<WireQueue>(sluice, `/v1/queues/${queue}`);
    if (status.backlog === 0) return status;
  }
  throw new Error("the interval ended");
}

async function requestsOf(sluice: Sluice, queue: string): Promise<readonly WireRequest[]> {
  return (await readJson<WireRequestList>(sluice, `/v1/requests?queue=${queue}&limit=1000`)).requests;
}

/** All are done, at their first attempt, by a handler that came to its end: as the book says, and the law holds. */
async function assertAllDone(sluice: Sluice, { queue, count, rig }: { queue: string; count: number; rig: Rig }) {
  const { counts } = await finished(sluice, queue);
  assert.deepEqual([counts.done, counts.dead], [count, 0]);
  assert.equal((await readJson<WireAudit>(sluice, "/v1/audit")).holds, true);
  const requests = await requestsOf(sluice, queue);
  assert.equal(requests.length, count);
  const ends = new Map<string, string[]>();
  for (const { word, id, pid } of await rig.book()) {
    if (word === "ends") ends.set(id, [...(ends.get(id) ?? []), String(pid)]);
  }
  for (const { id, attempts, lastError } of requests) {
    assert.deepEqual([attempts, lastError], [1, null]);
    const result = await (await fetch(`${sluice.url}/v1/requests/${id}/result`)).text();
    assert.ok(ends.get(id)?.includes(result), `${id} was done by ${result}, and ended in ${ends.get(id)?.join()}`);
  }
}

function countOf(entries: readonly Entry[], word: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const told of entries) if (told.word === word) counts.set(told.id, (counts.get(told.id) ?? 0) + 1);
  return counts;
}

test("processes that are killed lose nothing and count no attempt, and others take over at once", async () => {
  await using rig = await openRig();
  await using sluice = await rig.startTwo();
  await send(sluice, "naps", Array<string>(200).fill("30"));
  for (const begun of [20, 80, 140]) {
    const last = (await rig.told("begins", begun)).at(-1) as Entry;
    process.kill(last.pid, "SIGKILL");
    await sluice.line(new RegExp(`"pid":${last.pid},.*"signal":"SIGKILL".*it is started again`));
  }
  await assertAllDone(sluice, { queue: "naps", count: 200, rig });
  const begins = countOf(await rig.book(), "begins");
  const again = [...begins.values()].filter((count) => count > 1).length;
  assert.ok(again >= 1 && again <= 3 * 8, `${again} began again: those that the three processes ran`);
});

test("a request that kills its process ends dead, and no other begins twice for it (I4)", async () => {
  await using rig = await openRig();
  await using sluice = await rig.startTwo();
  const bodies = Array<string>(60).fill("5");
  bodies[4] = "deadly"; // among the first that a process is dealt at once
  await send(sluice, "sums", bodies);
  const { counts } = await finished(sluice, "sums");
  assert.deepEqual([counts.done, counts.dead], [59, 1]);
  const dead = (await requestsOf(sluice, "sums")).find(({ state }) => state === "dead") as WireRequest;
  assert.deepEqual([dead.lastError?.code, dead.attempts], ["poison", 0]);
  const begins = countOf(await rig.book(), "begins");
  assert.equal(begins.get(dead.id), 5);
  assert.deepEqual(
    [...begins].filter(([id, count]) => id !== dead.id && count !== 1),
    [],
  );
  await send(sluice, "sums", ["1"]);
  assert.equal((await finished(sluice, "sums")).counts.done, 60);
});

test("a process that had begun a request is started again at once, however often one dies", async () => {
  await using rig = await openRig();
  await using sluice = await rig.start("--processes", "1");
  await send(sluice, "sums", ["leaves", "leaves"]);
  const { counts } = await finished(sluice, "sums");
  assert.equal(counts.dead, 2);
  const waits = [...sluice.output().matchAll(/"restartMs":(\d+).*it is started again/g)].map(([, ms]) => Number(ms));
  assert.ok(waits.length >= 8, `${waits.length} ended`); // both may begin before the process leaves
  assert.deepEqual(new Set(waits), new Set([100]));
});

test("a handler that never comes back costs its process, as any other that kills one", async () => {
  await using rig = await openRig();
  await using sluice = await rig.start("--processes", "1");
  await send(sluice, "sums", ["endless"]);
  const [, pid] = await sluice.line(/"pid":(\d+),"msg":"a handler holds its process past the timeout: it is killed"/);
  await sluice.line(new RegExp(`"pid":${pid},.*"signal":"SIGKILL".*it is started again`));
  const [first, second] = await rig.told("begins", 2);
  assert.deepEqual([first?.pid, first?.id], [Number(pid), second?.id]);
  const [request] = await requestsOf(sluice, "sums");
  assert.deepEqual([request?.state, request?.attempts], ["running", 0]);
});

test("a stop lets what runs finish and hands the rest back", async () => {
  await using rig = await openRig();
  await using sluice = await rig.startTwo();
  await send(sluice, "naps", Array<string>(60).fill("100"));
  await rig.told("begins", 10);
  sluice.kill("SIGTERM");
  assert.deepEqual(await sluice.exited, { code: 0, signal: null });
  const book = await rig.book();
  assert.deepEqual(countOf(book, "ends"), countOf(book, "begins"));
  assert.ok(countOf(book, "begins").size < 60);
  await using again = await rig.startTwo();
  await assertAllDone(again, { queue: "naps", count: 60, rig });
  assert.deepEqual(new Set(countOf(await rig.book(), "begins").values()), new Set([1]));
});

test("a stop cuts off what takes longer than the grace, and counts no attempt", async () => {
  await using rig = await openRig();
  await using sluice = await rig.startTwo("--grace", "100ms");
  await send(sluice, "naps", Array<string>(4).fill("3000"));
  await rig.told("begins", 4);
  sluice.kill("SIGTERM");
  assert.deepEqual(await sluice.exited, { code: 0, signal: null });
  await using again = await rig.start();
  await assertAllDone(again, { queue: "naps", count: 4, rig });
});

test("with a range the processes follow the backlog up and back, and scale-in counts no attempt", async () => {
  await using rig = await openRig();
  await using sluice = await rig.start("--processes", "1..2");
  const isBack = sluice.line(/"to":1,.*"msg":"replicas are let go"/);
  await send(sluice, "naps", Array<string>(60).fill("400"));
  await sluice.line(/"to":2,.*"msg":"replicas are added"/);
  const back = isBack.then(() => true);
  let count = 60;
  for await (const _ of setInterval(400)) {
    await send(sluice, "naps", ["300"]); // never idle, and no more than one can do
    count += 1;
    if (await Promise.race([back, Promise.resolve(false)])) break;
  }
  await assertAllDone(sluice, { queue: "naps", count, rig });
  assert.equal(new Set((await rig.book()).map(({ pid }) => pid)).size, 2);
  assert.deepEqual(new Set(countOf(await rig.book(), "begins").values()), new Set([1]));
});

test("the rate of a queue holds over all processes", async () => {
  await using rig = await openRig();
  await using sluice = await rig.startTwo();
  await send(sluice, "paced", Array<string>(220).fill("x"));
  await finished(sluice, "paced");
  const begins = (await rig.book()).toSorted((a, b) => a.at - b.at);
  assert.equal(new Set(begins.map(({ pid }) => pid)).size, 2);
  const [first, ...others] = begins.slice(20) as [Entry, ...Entry[]]; // after the burst that an idle queue has saved up
  const perSecond = (others.length / ((others.at(-1) as Entry).at - first.at)) * 1_000;
  assert.ok(perSecond > 50 * 0.95 && perSecond < 50 * 1.05, `${perSecond} starts a second, 50 are allowed`);
});

test("none outlives a parent that was killed, not even one that never comes to its event loop", async () => {
  await using rig = await openRig();
  await using sluice = await rig.startTwo();
  await send(sluice, "naps", Array<string>(8).fill("60000"));
  await rig.told("begins", 8);
  await send(sluice, "sums", ["endless"]);
  const pids = new Set((await rig.told("begins", 9)).map(({ pid }) => pid));
  assert.equal(pids.size, 2);
  sluice.kill("SIGKILL");
  await sluice.exited; // which is when its outputs are closed: by the processes, at their end
  await using again = await rig.start("--processes", "1");
  assert.equal((await readJson<WireAudit>(again, "/v1/audit")).holds, true);
});
