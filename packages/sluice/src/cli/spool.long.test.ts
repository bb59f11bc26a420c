// Two gateways with spools as processes of their own, whose PostgreSQL goes and comes back, killed at every step; the
// handler's own record tells what was lost and what was done twice.
import assert from "node:assert/strict";
import { appendFile, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import {
  startPostgres,
  startRabbitmq,
  startRedis,
  startSluiceGateway,
  startSluiceWorker,
  temporaryFolder,
  type Postgres,
  type Rabbitmq,
  type Redis,
  type Sluice,
  type TemporaryFolder,
} from "@sluice/testing";
import type { WireReadiness, WireReceipt, WireRequest } from "@sluice/client";
import { migrate, sluiceEntry } from "../../test/cluster-under-test.ts";
import { runSluice } from "../../test/run-sluice.ts";

/** The handler writes what it did into a file: one line for each run. */
const config = (record: string): string => `
import { appendFileSync } from "node:fs";
import { defineConfig } from ${sluiceEntry};
export default defineConfig({
  queues: {
    orders: { handle: (request) => { appendFileSync(${JSON.stringify(record)}, request.text() + "\\n"); return request.text(); } },
  },
});`;

const untilMsMax = 60_000;
let folder: TemporaryFolder;
let postgresFolder: TemporaryFolder;
let postgres: Postgres;
let rabbitmq: Rabbitmq;
let redis: Redis;
let clusters = 0;

before(async () => {
  [folder, postgresFolder] = await Promise.all([temporaryFolder(), temporaryFolder()]);
  [postgres, rabbitmq, redis] = await Promise.all([
    startPostgres({ folder: postgresFolder.path }),
    startRabbitmq(),
    startRedis(),
  ]);
});
after(async () => {
  for (const server of [postgres, rabbitmq, redis, folder, postgresFolder]) await server?.[Symbol.asyncDispose]();
});

async function stopPostgres(): Promise<void> {
  postgres.kill("SIGINT");
  await postgres.exited;
}

async function startPostgresAgain(): Promise<void> {
  postgres = await startPostgres({ folder: postgres.folder, port: postgres.port });
}

interface Cluster {
  readonly configFile: string;
  readonly env: Record<string, string>;
  readonly record: string;
  readonly spools: readonly string[];
}

async function newCluster(): Promise<Cluster> {
  const no = (clusters += 1);
  const own = join(folder.path, `cluster-${no}`);
  const record = `${own}.record`;
  const configFile = `${own}.config.ts`;
  await writeFile(record, "");
  await writeFile(configFile, config(record));
  const env = {
    DATABASE_URL: await postgres.createDatabase(`spool_${no}`),
    AMQP_URL: rabbitmq.url,
    REDIS_URL: redis.url,
    SLUICE_PREFIX: `spool-${no}`,
  };
  await migrate(configFile, env);
  return { configFile, env, record, spools: [`${own}-spool-a`, `${own}-spool-b`] };
}

interface StartOptions {
  readonly port?: number;
  readonly crashAt?: string;
  readonly max?: string;
}

function startGateway(
  { configFile, env, spools }: Cluster,
  place: number,
  { port, crashAt, max }: StartOptions = {},
): Promise<Sluice> {
  const args = ["--spool", spools[place] as string, ...(max === undefined ? [] : ["--spool-max", max])];
  return startSluiceGateway({ configFile, env: { ...env, SLUICE_CRASH_AT: crashAt }, args, ...(port && { port }) });
}

type Answer = {
  readonly status: number;
  readonly receipt: WireReceipt | undefined;
  readonly retryAfter: string | null;
};

/** Undefined when the gateway died over it. */
async function post(url: string, body: string, key?: string): Promise<Answer | undefined> {
  try {
    const headers = { "content-type": "text/plain", ...(key !== undefined && { "idempotency-key": key }) };
    const answer = await fetch(`${url}/v1/queues/orders/requests`, { method: "POST", body, headers });
    const receipt = answer.status === 202 ? ((await answer.json()) as WireReceipt) : undefined;
    if (receipt === undefined) await answer.text();
    return { status: answer.status, receipt, retryAfter: answer.headers.get("retry-after") };
  } catch {
    return undefined;
  }
}

async function readinessOf(url: string): Promise<WireReadiness> {
  return (await (await fetch(`${url}/readyz`)).json()) as WireReadiness;
}

async function read(url: string, id: string): Promise<WireRequest & { readonly sameAs?: string }> {
  return (await (await fetch(`${url}/v1/requests/${id}`)).json()) as WireRequest;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + untilMsMax;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`in ${untilMsMax} ms it did not come about that ${what}`);
    await delay(50);
  }
}

function codesOf({ problems }: WireReadiness): readonly string[] {
  return problems.map(({ code }) => code);
}

async function drained(url: string): Promise<void> {
  await until("the spool is drained", async () => codesOf(await readinessOf(url)).every((code) => code !== "spooling"));
}

async function done({ record }: Cluster): Promise<readonly string[]> {
  return (await readFile(record, "utf8")).split("\n").filter((line) => line !== "");
}

/** Each of them was done, and nothing twice but what may have been. */
async function assertDoneOnce(cluster: Cluster, accepted: readonly string[]): Promise<void> {
  const all = new Set(accepted);
  await until("all are done", async () => {
    const lines = new Set(await done(cluster));
    return [...all].every((line) => lines.has(line));
  });
  const lines = await done(cluster);
  assert.equal(lines.length, new Set(lines).size, "none is done twice");
  const { exitCode, stdout, stderr } = await runSluice({
    args: ["audit", "--json", "--url", urlOf(cluster)],
    env: cluster.env,
  });
  assert.equal(exitCode, 0, stdout + stderr);
}

const urls = new WeakMap<Cluster, string>();
function urlOf(cluster: Cluster): string {
  return urls.get(cluster) ?? "";
}

test("an outage under load, with a kill while spooling, one while forwarding, and the same keys at both", async () => {
  const cluster = await newCluster();
  const [a, b] = [await startGateway(cluster, 0), await startGateway(cluster, 1)];
  await using stack = new AsyncDisposableStack();
  let gateways: readonly Sluice[] = [stack.use(a), stack.use(b)];
  urls.set(cluster, a.url);
  stack.use(await startSluiceWorker({ configFile: cluster.configFile, env: cluster.env }));
  const accepted = new Set<string>();
  const ids = new Map<string, Set<string>>();
  const over = new AbortController();
  let no = 0;
  const durabilities = new Set<string>();
  /** Every body has its key, and goes to both: sent again where the gateway died. */
  const send = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const body = `n${(no += 1)}`;
      for (const { url } of gateways) {
        const answer = await post(url, body, body);
        if (answer?.receipt === undefined) continue;
        accepted.add(body);
        durabilities.add(answer.receipt.durability);
        ids.set(body, (ids.get(body) ?? new Set()).add(answer.receipt.id));
      }
      await delay(10);
    }
  };
  const sending = Promise.all([send(), send(), send(), send()]);
  await delay(1_000);
  await stopPostgres();
  await until("b spools", async () => codesOf(await readinessOf(b.url)).includes("spooling"));
  await delay(1_000);
  assert.equal((await fetch(`${b.url}/readyz`)).status, 200, "it goes on, so a load balancer may send to it");
  b.kill("SIGKILL");
  await b.exited;
  const again = stack.use(await startGateway(cluster, 1, { port: b.port, crashAt: "page-forwarded" }));
  gateways = [a, again];
  await delay(1_000);
  assert.ok(codesOf(await readinessOf(again.url)).includes("spooling"), "it started without the ledger");
  await startPostgresAgain();
  await again.exited;
  const last = stack.use(await startGateway(cluster, 1, { port: b.port }));
  gateways = [a, last];
  await drained(a.url);
  await drained(last.url);
  await delay(500);
  over.abort();
  await sending;
  assert.deepEqual([...durabilities].toSorted(), ["postgres", "spool"]);
  await assertDoneOnce(cluster, [...accepted]);
  let aliased = 0;
  for (const [body, own] of [...ids].filter(([, { size }]) => size > 1).slice(0, 50)) {
    const seen = await Promise.all([...own].map((id) => read(a.url, id)));
    assert.deepEqual(
      seen.map(({ state }) => state),
      seen.map(() => "done"),
      body,
    );
    const firsts = seen.filter(({ sameAs }) => sameAs === undefined).map(({ id }) => id);
    assert.equal(firsts.length, 1);
    for (const { sameAs } of seen) if (sameAs !== undefined) assert.equal(sameAs, firsts[0]);
    aliased += seen.length - 1;
    const result = await fetch(`${a.url}/v1/requests/${[...own][1]}/result`);
    assert.equal(await result.text(), body);
  }
  assert.ok(aliased > 0, "some keys came to both while the ledger was out");
});

describe("a gateway that dies", () => {
  for (const crashAt of ["page-forwarded", "spool-drained", "spool-emptying", "spool-emptied"]) {
    test(`at ${crashAt} loses nothing and doubles nothing`, async () => {
      const cluster = await newCluster();
      await using stack = new AsyncDisposableStack();
      const first = stack.use(await startGateway(cluster, 0, { crashAt }));
      await stopPostgres();
      await until("it spools", async () => (await post(first.url, "first"))?.receipt?.durability === "spool");
      const bodies = Array.from({ length: 100 }, (_, place) => `n${place}`);
      for (const body of bodies) assert.equal((await post(first.url, body))?.receipt?.durability, "spool");
      await startPostgresAgain();
      assert.deepEqual(await first.exited, { code: null, signal: "SIGKILL" }, first.output());
      const second = stack.use(await startGateway(cluster, 0));
      urls.set(cluster, second.url);
      await drained(second.url);
      assert.equal((await post(second.url, "last"))?.receipt?.durability, "postgres");
      stack.use(await startSluiceWorker({ configFile: cluster.configFile, env: cluster.env }));
      await assertDoneOnce(cluster, ["first", ...bodies, "last"]);
      // Of a page whose gateway died over it the carrier hears later, maybe behind new requests.
      const ordered = crashAt === "page-forwarded" ? ["first", ...bodies] : ["first", ...bodies, "last"];
      assert.deepEqual(
        (await done(cluster)).filter((line) => ordered.includes(line)),
        ordered,
      );
    });
  }

  test("with a spool whose file is torn goes on with the rest by itself", async () => {
    const cluster = await newCluster();
    await using stack = new AsyncDisposableStack();
    const first = stack.use(await startGateway(cluster, 0));
    await stopPostgres();
    await until("it spools", async () => (await post(first.url, "n0"))?.receipt?.durability === "spool");
    for (let place = 1; place <= 50; place += 1) await post(first.url, `n${place}`);
    first.kill("SIGKILL");
    await first.exited;
    const log = join(cluster.spools[0] as string, "sluice.db-wal");
    await truncate(log, (await stat(log)).size - 5_000);
    await appendFile(log, Buffer.alloc(700, 7));
    const second = stack.use(await startGateway(cluster, 0));
    urls.set(cluster, second.url);
    assert.ok(codesOf(await readinessOf(second.url)).includes("store-damaged"), "it says what it lost");
    await post(second.url, "after");
    await startPostgresAgain();
    await drained(second.url);
    stack.use(await startSluiceWorker({ configFile: cluster.configFile, env: cluster.env }));
    await assertDoneOnce(cluster, ["n0", "n40", "after"]);
  });
});

test("at its bound a spool responds 503 with Retry-After, and takes more once it is drained", async () => {
  const cluster = await newCluster();
  await using stack = new AsyncDisposableStack();
  const { url } = stack.use(await startGateway(cluster, 0, { max: "1MiB" }));
  urls.set(cluster, url);
  await stopPostgres();
  const body = (place: number): string => `${place} `.padEnd(50_000, "x");
  const accepted: string[] = [];
  let refused: Answer | undefined;
  await until("it is full", async () => {
    const answer = await post(url, body(accepted.length));
    if (answer?.status === 202) accepted.push(body(accepted.length));
    refused = answer?.receipt === undefined ? answer : undefined;
    return answer?.status === 503 && accepted.length > 10;
  });
  assert.ok(accepted.length <= 21, "20 of them are a mebibyte, and the first may have gone to the ledger");
  assert.equal(refused?.retryAfter, "5");
  await startPostgresAgain();
  await drained(url);
  assert.equal((await post(url, body(-1)))?.receipt?.durability, "postgres");
  stack.use(await startSluiceWorker({ configFile: cluster.configFile, env: cluster.env }));
  await assertDoneOnce(cluster, [...accepted, body(-1)]);
});
