// The negative control: a standby that is asynchronous takes over without what was accepted last. The audit of the server
// that was promoted must name what it lacks.
import { after, before, describe, it } from "node:test";
import { deepEqual, equal, ok } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import {
  startPostgresPair,
  startProxy,
  startRabbitmq,
  startRedis,
  type PostgresPair,
  type Rabbitmq,
  type Redis,
} from "@sluice/testing";
import { Client } from "pg";
import { pino } from "pino";
import { SluiceError } from "../../../core/errors.ts";
import { timeOfId, type RequestId } from "../../../core/request-id.ts";
import { orders, queue, request } from "../../../engine/contract/rig.ts";
import type { Engine } from "../../../engine/engine.ts";
import { migrateCluster } from "../ledger/schema/migrate.ts";
import { openCluster } from "../open.ts";
import type { ClusterServers } from "../options.ts";

const log = pino({ level: process.env["SLUICE_TEST_LOG"] ?? "silent" });
const untilMsMax = 60_000;
const queues = [queue(orders), queue("mails")];

let rabbitmq: Rabbitmq;
let redis: Redis;
before(async () => {
  [rabbitmq, redis] = await Promise.all([startRabbitmq(), startRedis()]);
});
after(async () => {
  await Promise.all([rabbitmq, redis].map((server) => server?.[Symbol.asyncDispose]()));
});

describe("after the failover to an asynchronous standby", () => {
  it("the audit names how many requests are missing, and from when to when", async () => {
    await using stage = await open();
    const { engine, pair } = stage;
    const kept = await stage.accept(10);
    const [mail] = await stage.accept(1, "mails");
    await stage.untilStandbyHas(11);
    await pair.holdBack();
    const lost = await stage.accept(7);
    equal((await engine.audit()).holds, true);
    await stage.failOver();
    const [next] = await stage.accept(1);
    await stage.accept(1, "mails");
    const { holds, queues: counts, findings } = await engine.audit();
    const [chain, last] = [kept[0] as RequestId, kept.at(-1) as RequestId];
    const gap = {
      chain,
      place: 10,
      requests: 7,
      after: last,
      before: next,
      fromAt: timeOfId(last),
      toAt: timeOfId(next as RequestId),
    };
    deepEqual(
      findings.map((finding) => [finding.kind, finding.id, finding.gap]),
      [["gap", next, gap]],
    );
    equal(holds, false);
    // What the counts say was lost along with what they counted.
    deepEqual(
      counts.map(({ queue: name, accepted, missing }) => [name, accepted, missing]),
      [
        ["mails", 2, 0],
        [orders, 11, 0],
      ],
    );
    for (const id of lost) deepEqual(await engine.prove(id), { verdict: "gap", link: { chain, place: 10 } });
    for (const id of [mail, last, next]) equal((await engine.prove(id as RequestId)).verdict, "stored");
  });

  it("and counts exactly those that had a receipt, though requests came without a pause", async () => {
    await using stage = await open();
    const { engine, pair } = stage;
    const receipts: RequestId[] = [];
    const isOver = new AbortController();
    const sending = Array.from({ length: 4 }, async () => {
      while (!isOver.signal.aborted) receipts.push(...(await stage.accept(1)));
    });
    const reach = (count: number): Promise<void> => until(`${count} receipts`, async () => receipts.length >= count);
    await reach(50);
    await pair.holdBack();
    await reach(receipts.length + 50);
    await stage.failOver();
    await reach(receipts.length + 50);
    isOver.abort();
    await Promise.all(sending);
    const stored = new Set<string>();
    for (const id of receipts) if ((await engine.read(id)) !== undefined) stored.add(id);
    const lost = receipts.filter((id) => !stored.has(id));
    ok(lost.length >= 46, `${lost.length} are lost`); // four may have been under way when the standby was held back
    const { holds, findings } = await engine.audit();
    deepEqual([holds, findings.map(({ kind, gap }) => [kind, gap?.requests])], [false, [["gap", lost.length]]]);
    for (const id of lost) equal((await engine.prove(id)).verdict, "gap");
  });
});

interface Stage extends AsyncDisposable {
  readonly pair: PostgresPair;
  /** Reaches the primary, whichever it is. */
  readonly engine: Engine;
  /** One commit after the other; one that is refused for the outage is sent again. */
  accept(count: number, queueName?: string): Promise<readonly RequestId[]>;
  untilStandbyHas(requests: number): Promise<void>;
  /** Kills the primary, and promotes the standby. */
  failOver(): Promise<void>;
}

let stages = 0;

async function open(): Promise<Stage> {
  await using opened = new AsyncDisposableStack();
  const pair = opened.use(await startPostgresPair({ isSynchronous: false }));
  let port = pair.primary.port;
  const proxy = opened.use(await startProxy({ port: () => port }));
  const servers: ClusterServers = {
    databaseUrl: `postgres://sluice@127.0.0.1:${proxy.port}/sluice`,
    amqpUrl: rabbitmq.url,
    redisUrl: redis.url,
    prefix: `failover-${(stages += 1)}`,
  };
  await migrateCluster({ servers, queues: queues.map(({ name }) => name), log });
  const engine = opened.use(await openCluster({ servers, queues, name: "the engine under test", log }));
  const owned = opened.move();
  return {
    pair,
    engine,
    async accept(count, queueName = orders) {
      const ids: RequestId[] = [];
      while (ids.length < count) ids.push(await acceptOne(engine, queueName));
      return ids;
    },
    async untilStandbyHas(requests) {
      const client = new Client(`postgres://sluice@127.0.0.1:${pair.other.port}/sluice`);
      await client.connect();
      await until(`the standby has ${requests} requests`, async () => {
        const { rows } = await client.query("SELECT count(*)::int AS count FROM sluice.requests");
        return rows[0].count === requests;
      });
      await client.end();
    },
    async failOver() {
      await pair.kill(pair.primary);
      await pair.promote();
      port = pair.primary.port;
      proxy.cut();
      proxy.restore();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function acceptOne(engine: Engine, queueName: string): Promise<RequestId> {
  const giveUpAt = performance.now() + untilMsMax;
  for (;;) {
    try {
      const result = await engine.accept([request({ queue: queueName })]);
      if (result.kind !== "accepted") throw new Error(result.kind);
      return result.receipts[0]?.id as RequestId;
    } catch (error) {
      if (!(error instanceof SluiceError) || performance.now() > giveUpAt) throw error;
      await delay(20);
    }
  }
}

/** Polls: the servers tell nobody. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + untilMsMax;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error(`in ${untilMsMax} ms it did not come about: ${what}`);
    await delay(20);
  }
}
