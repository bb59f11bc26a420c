// Several hosts that take writes: all processes choose alike, and none moves without need.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startPostgres, startPostgresPair, startProxy, type Postgres, type Proxy } from "@sluice/testing";
import { Primary } from "./primary.ts";

const resources = new AsyncDisposableStack();
let postgres: Postgres;
let ways: readonly [Proxy, Proxy, Proxy];
before(async () => {
  postgres = resources.use(await startPostgres());
  const way = async (): Promise<Proxy> => resources.use(await startProxy({ port: postgres.port }));
  ways = [await way(), await way(), await way()];
});
after(() => resources.disposeAsync());
beforeEach(() => ways.forEach((way) => way.restore()));

/** Which of the ways it takes, in the order of the URL. */
async function chosen(primary: Primary): Promise<number> {
  const { client, url } = await primary.connect({ connectionTimeoutMillis: 5_000 });
  await client.end();
  return ways.findIndex(({ port }) => url.includes(`:${port}/`));
}

function primaryOf(...named: readonly Proxy[]): Primary {
  return new Primary(`postgres://sluice@${named.map(({ port }) => `127.0.0.1:${port}`).join(",")}/sluice`);
}

test("of equal ones each process takes the first that its URL names, whichever answers first", async () => {
  for (let round = 0; round < 5; round += 1) {
    for (const way of ways) way.freeze();
    const choosing = Promise.all([primaryOf(...ways), primaryOf(...ways)].map(chosen));
    await delay(20);
    for (const way of ways.toReversed()) way.thaw();
    assert.deepEqual(await choosing, [0, 0]);
  }
  assert.equal(await chosen(primaryOf(...ways.toReversed())), 2);
});

test("the one in use is kept while it answers, and then the next one that the URL names is taken", async () => {
  const primary = primaryOf(...ways);
  let moves = 0;
  using _moving = primary.onMoved(() => (moves += 1));
  ways[0].cut();
  assert.equal(await chosen(primary), 1);
  ways[0].restore();
  for (let round = 0; round < 5; round += 1) {
    await primary.lookAround({ connectionTimeoutMillis: 5_000 });
    assert.equal(await chosen(primary), 1);
  }
  assert.equal(moves, 0);
  ways[1].cut();
  assert.equal(await chosen(primary), 0);
  assert.equal(moves, 1);
});

test("of two that take writes the one that was promoted last is taken, whichever is in use or named first", async () => {
  await using pair = await startPostgresPair({ isSynchronous: false });
  const url = pair.urlOf();
  const primary = new Primary(url);
  const portOf = async (asked: Primary): Promise<number> => {
    const { client } = await asked.connect({ connectionTimeoutMillis: 5_000 });
    await client.end();
    return client.port;
  };
  const [old, promoted] = pair.ports;
  assert.equal(await portOf(primary), old);
  await pair.promote();
  await primary.lookAround({ connectionTimeoutMillis: 5_000 });
  assert.equal(await portOf(primary), promoted);
  assert.equal(await portOf(new Primary(url)), promoted);
});
