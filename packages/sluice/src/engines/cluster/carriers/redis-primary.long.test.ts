// Redis with more than one node, against real servers: rate and notices go on after a failover.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { freePort, type Redis, startProxy, startRedis, startRedisSentinels } from "@sluice/testing";
import { pino } from "pino";
import { systemClock } from "../../../core/clock.ts";
import { Cache } from "./cache.ts";
import { Outages } from "../outages.ts";
import { RedisNotices } from "./redis-notices.ts";
import { connectPrimary } from "./redis-primary.ts";
import { RedisTokens } from "./redis-tokens.ts";
import { SharedRate } from "./shared-rate.ts";

const prefix = "test";
/** Redis' Sentinels need a second to see a failure, and some more to agree. */
const failoverMsMax = 15_000;

interface Member extends AsyncDisposable {
  readonly cache: Cache;
  readonly outages: Outages;
  readonly notices: RedisNotices;
  heard: number;
}

async function join(url: string, origin: string): Promise<Member> {
  const log = pino({ level: "silent" });
  const outages = new Outages(log);
  const cache = new Cache({ url, prefix, outages, log });
  const onQueues = (): void => void (member.heard += 1);
  const notices = new RedisNotices({ cache, origin, onChange: () => undefined, onQueues });
  const member: Member = {
    cache,
    outages,
    notices,
    heard: 0,
    [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose](),
  };
  await cache.connect();
  return member;
}

/** Notices come both ways, the rate is kept at that Redis, and nothing is told as out. */
async function works(what: string, members: readonly [Member, Member], redis: Redis): Promise<number> {
  const from = performance.now();
  const [one, other] = members;
  one.heard = other.heard = 0;
  const rate = new SharedRate({
    tokens: new RedisTokens(one.cache),
    workersOf: () => ({ own: 1, all: 1 }),
    isAlike: () => true,
    clock: systemClock,
  });
  const isWorking = async (): Promise<boolean> => {
    one.notices.publishQueues();
    other.notices.publishQueues();
    await rate.take({ queue: "q", ratePerHour: 3_600, burst: undefined, wanted: 1 });
    const isOut = members.some(({ outages }) => outages.list().length > 0);
    return !isOut && one.heard > 0 && other.heard > 0 && (await hasRate(redis));
  };
  while (!(await isWorking())) {
    const ms = performance.now() - from;
    assert.ok(ms < failoverMsMax, `${what}: not yet after ${ms} ms: ${JSON.stringify(one.outages.list())}`);
    await delay(20);
  }
  return performance.now() - from;
}

async function hasRate({ url }: Redis): Promise<boolean> {
  const log = pino({ level: "silent" });
  await using cache = new Cache({ url: withPassword(url), prefix, outages: new Outages(log), log });
  await cache.connect();
  return (await cache.call((client) => client.exists(`${prefix}:rate:q`))) === 1;
}

const password = "a,b@c";

function withPassword(url: string): string {
  return url.replace("://", `://:${encodeURIComponent(password)}@`);
}

describe("a Redis with Sentinels", { concurrency: false }, () => {
  it("goes on with the new primary after a kill -9, with a Sentinel out and passwords everywhere", async (test) => {
    await using sentinels = await startRedisSentinels({ password });
    const { primary, replica, url } = sentinels;
    await using one = await join(url, "one");
    await using other = await join(url, "other");
    await works("at first", [one, other], primary);
    await sentinels.killSentinel();
    primary.kill("SIGKILL");
    await primary.exited;
    const tookMs = await works("after the kill", [one, other], replica);
    test.diagnostic(`rate and notices were back ${Math.round(tookMs)} ms after the kill`);
    // What was the primary comes back as one for a moment: nobody is to use it.
    const settings = { requirepass: password, masterauth: password };
    await using old = await startRedis({ port: primary.port, settings });
    await works("with the old one back", [one, other], replica);
    assert.ok(old.pid > 0);
  });

  it("goes on with the new primary when the old one is silent, and when it became a replica", async (test) => {
    await using sentinels = await startRedisSentinels({ password });
    const { primary, replica, url } = sentinels;
    await using one = await join(url, "one");
    await using other = await join(url, "other");
    await works("at first", [one, other], primary);
    primary.kill("SIGSTOP");
    const tookMs = await works("while it is silent", [one, other], replica);
    test.diagnostic(`rate and notices were back ${Math.round(tookMs)} ms after the silence began`);
    primary.kill("SIGCONT");
    await works("with the old one back", [one, other], replica);
  });

  it("says what is wrong when no Sentinel names a primary", async () => {
    await using sentinels = await startRedisSentinels();
    const wrong = await join(sentinels.url.replace("/mymaster", "/other"), "one");
    await using _closing = wrong;
    assert.match(wrong.outages.list()[0]?.message ?? "", /names no primary other: it does not know it/);
    const port = await freePort();
    await using none = await join(`redis+sentinel://:hunter2@127.0.0.1:${port}/mymaster`, "two");
    const [outage] = none.outages.list();
    assert.match(outage?.message ?? "", /the Sentinel 127.0.0.1:\d+ names no primary mymaster: connect ECONNREFUSED/);
    assert.doesNotMatch(outage?.message ?? "", /hunter2/);
  });
});

describe("a list of hosts of Redis", { concurrency: false }, () => {
  it("leads to the one that takes writes, and to the other after it was promoted by hand", async () => {
    const settings = { requirepass: password, masterauth: password };
    await using primary = await startRedis({ settings });
    const replicaof = `127.0.0.1 ${primary.port}`;
    await using replica = await startRedis({ settings: { ...settings, replicaof } });
    await using proxy = await startProxy({ port: primary.port });
    const url = withPassword(`redis://127.0.0.1:${replica.port},127.0.0.1:${proxy.port}`);
    await using one = await join(url, "one");
    await using other = await join(url, "other");
    await works("at first", [one, other], primary);
    await using promoting = await join(withPassword(replica.url), "promoting");
    assert.match(promoting.outages.list()[0]?.message ?? "", /READONLY/);
    proxy.cut();
    const client = await connectPrimary(
      withPassword(replica.url),
      () => Promise.resolve(),
      new AbortController().signal,
    );
    await client.sendCommand(["REPLICAOF", "NO", "ONE"]);
    client.destroy();
    await works("after the promotion", [one, other], replica);
  });
});
