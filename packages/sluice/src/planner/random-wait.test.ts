import assert from "node:assert/strict";
import { test } from "node:test";
import { meanRandomWaitMs } from "./random-wait.ts";

const hourMs = 3_600_000;
/** A request takes a second. */
const service = { perReplicaPerHour: 3_600, ratePerHour: undefined };

function waitSeconds(load: number, replicas: number): number {
  return (meanRandomWaitMs({ arrivalsPerHour: load * replicas * 3_600, replicas, service }) ?? Number.NaN) / 1_000;
}

/**
 * The exact mean wait of M/D/c in service times, after Crommelin (1932): who is there one service time later are those
 * who found no server before, and those who came meanwhile. Solved by letting that happen until nothing changes.
 */
function exactWait(load: number, servers: number): number {
  const offered = load * servers;
  const most = Math.ceil(servers * 8 + 60 / (1 - load));
  const arriving = [Math.exp(-offered)];
  for (let count = 1; count <= most; count += 1) arriving.push((at(arriving, count - 1) * offered) / count);
  let present = [1, ...Array<number>(most).fill(0)];
  for (let change = 1; change > 1e-10;) {
    const next = Array<number>(most + 1).fill(0);
    const left = Array<number>(most + 1).fill(0);
    for (const [count, share] of present.entries()) {
      const index = Math.max(0, count - servers);
      left[index] = at(left, index) + share;
    }
    for (const [before, share] of left.entries()) {
      if (share < 1e-18) continue;
      for (let count = before; count <= most; count += 1)
        next[count] = at(next, count) + share * at(arriving, count - before);
    }
    change = next.reduce((sum, share, count) => sum + Math.abs(share - at(present, count)), 0);
    present = next;
  }
  const waiting = present.reduce((sum, share, count) => sum + share * Math.max(0, count - servers), 0);
  return waiting / offered; // Little's law
}

function at(shares: readonly number[], index: number): number {
  return shares[index] ?? 0;
}

test("with one replica it is the closed form of M/D/1", () => {
  for (const load of [0.1, 0.5, 0.8, 0.95, 0.999]) {
    const expected = load / (2 * (1 - load));
    assert.ok(Math.abs(waitSeconds(load, 1) / expected - 1) < 1e-9, `${waitSeconds(load, 1)}, not ${expected}`);
  }
});

test("with several it is within 1 % of the exact wait of M/D/c from half load on", () => {
  for (const replicas of [1, 2, 4, 8]) {
    for (const load of [0.5, 0.8, 0.9]) {
      const [got, exact] = [waitSeconds(load, replicas), exactWait(load, replicas)];
      assert.ok(Math.abs(got / exact - 1) < 0.01, `M/D/${replicas} at ${load}: ${got}, not ${exact}`);
    }
  }
});

test("at full load it is never steady, without arrivals nobody waits", () => {
  for (const load of [1, 1.5]) assert.ok(Number.isNaN(waitSeconds(load, 2)));
  assert.equal(waitSeconds(0, 2), 0);
});

test("where the queue's rate holds the replicas back it is one server of that rate", () => {
  const limited = { perReplicaPerHour: 3_600, ratePerHour: 3_600 };
  assert.equal(meanRandomWaitMs({ arrivalsPerHour: 1_800, replicas: 4, service: limited }), hourMs / 3_600 / 2);
});
