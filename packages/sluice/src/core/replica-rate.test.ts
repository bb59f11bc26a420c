import assert from "node:assert/strict";
import { test } from "node:test";
import { ReplicaRate } from "./replica-rate.ts";

const sample = { at: 0, finished: 0, waiting: 10, replicas: 2 };

test("is not known before something was finished while more waited", () => {
  const rate = new ReplicaRate();
  assert.equal(rate.perHour, undefined);
  rate.add(sample);
  rate.add({ ...sample, at: 5_000 });
  assert.equal(rate.perHour, undefined);
});

test("is what was finished, for each replica and hour", () => {
  const rate = new ReplicaRate();
  rate.add(sample);
  rate.add({ ...sample, at: 10_000, finished: 20 });
  assert.equal(rate.perHour, 3_600);
});

test("does not take the arrivals of a queue that is not busy for what the replicas can", () => {
  const rate = new ReplicaRate();
  rate.add(sample);
  rate.add({ ...sample, at: 10_000, finished: 20 });
  rate.add({ ...sample, at: 20_000, finished: 21, waiting: 0 });
  rate.add({ ...sample, at: 30_000, finished: 22, waiting: 0 });
  assert.equal(rate.perHour, 3_600);
});

test("leaves out the time in which replicas came or went", () => {
  const rate = new ReplicaRate();
  rate.add(sample);
  rate.add({ ...sample, at: 10_000, finished: 20 });
  rate.add({ ...sample, at: 20_000, finished: 21, replicas: 8 });
  assert.equal(rate.perHour, 3_600);
  rate.add({ ...sample, at: 30_000, finished: 101, replicas: 8 });
  assert.equal(rate.perHour, 3_600);
});

test("forgets what was a minute before", () => {
  const rate = new ReplicaRate();
  rate.add(sample);
  rate.add({ ...sample, at: 10_000, finished: 20 });
  rate.add({ ...sample, at: 75_000, finished: 20 + 65 });
  assert.equal(rate.perHour, 1_800);
});

test("a queue's own rate is not taken for what its replicas can: more of them are not seen to do less", () => {
  const rate = new ReplicaRate(7_200);
  rate.add({ ...sample, replicas: 1 });
  rate.add({ ...sample, replicas: 1, at: 10_000, finished: 19 });
  assert.equal(rate.perHour, 7_200);
  rate.add({ ...sample, at: 20_000, finished: 39 });
  rate.add({ ...sample, at: 30_000, finished: 59 });
  assert.equal(rate.perHour, 7_200);
});
