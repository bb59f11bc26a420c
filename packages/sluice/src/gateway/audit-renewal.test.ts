import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { openLog } from "../telemetry/log.ts";
import { AuditRenewal } from "./audit-renewal.ts";

interface Rig {
  readonly renewal: AuditRenewal;
  readonly clock: { ms: number };
  /** Audits that were begun. */
  count(): number;
  /** Ends the one under way. */
  end(error?: Error): Promise<void>;
}

function rig(): Rig {
  const clock = { ms: 0 };
  const begun: PromiseWithResolvers<void>[] = [];
  const audit = (): Promise<void> => {
    begun.push(Promise.withResolvers<void>());
    return (begun.at(-1) as PromiseWithResolvers<void>).promise;
  };
  const log = openLog({ level: "silent", isPretty: false });
  return {
    renewal: new AuditRenewal({ audit, clock: { now: () => clock.ms, monotonic: () => clock.ms }, log }),
    clock,
    count: () => begun.length,
    async end(error) {
      if (error === undefined) begun.at(-1)?.resolve();
      else begun.at(-1)?.reject(error);
      await setImmediate(); // its end is noted
    },
  };
}

function lookAt(sut: Rig, ms: number): number {
  sut.clock.ms = ms;
  sut.renewal.looked();
  return sut.count();
}

test("the first look makes the first audit, one at a time, and none comes when nobody looks", async () => {
  const sut = rig();
  assert.equal(sut.count(), 0);
  assert.equal(lookAt(sut, 0), 1);
  assert.equal(lookAt(sut, 3_600_000), 1);
  await sut.end();
  assert.equal(sut.count(), 1);
});

test("an audit rests a hundred times as long as it took, and a minute at least", async () => {
  const sut = rig();
  lookAt(sut, 0);
  sut.clock.ms = 500;
  await sut.end();
  assert.equal(lookAt(sut, 60_499), 1);
  assert.equal(lookAt(sut, 60_500), 2);
  sut.clock.ms = 70_500;
  await sut.end();
  assert.equal(lookAt(sut, 1_070_499), 2);
  assert.equal(lookAt(sut, 1_070_500), 3);
});

test("one that fails is made again later, and none after the close", async () => {
  const sut = rig();
  lookAt(sut, 0);
  await sut.end(new Error("the store is out"));
  assert.equal(lookAt(sut, 60_000), 2);
  await sut.end();
  sut.renewal.close();
  assert.equal(lookAt(sut, 900_000), 2);
});
