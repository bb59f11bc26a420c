// How soon a process that died is started again. The processes are promises here: real ones are in process.test.ts.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { openLog } from "../../telemetry/log.ts";
import { openProcessPool, type Copy, type End } from "./process-pool.ts";

const restartMinMs = 100;
const death = { code: 1, signal: null };

interface Rig extends AsyncDisposable {
  /** The newest process dies; gives back after how many milliseconds the next one starts. */
  restartMsAfter(end: End): Promise<number>;
}

async function openRig(): Promise<Rig> {
  mock.timers.enable({ apis: ["setTimeout"] });
  const ends: ((end: End) => void)[] = [];
  const start = (): Copy => {
    const { promise: ended, resolve } = Promise.withResolvers<End>();
    ends.push(resolve);
    return { pid: ends.length, kill: () => resolve({ code: 0, signal: null }), ended };
  };
  const log = openLog({ level: "silent", isPretty: false });
  const pool = openProcessPool({ start, graceMs: 1_000, restartMinMs, log });
  await pool.scaleTo(1, "0");
  return {
    async restartMsAfter(end) {
      const started = ends.length;
      ends.at(-1)?.(end);
      await new Promise(setImmediate);
      let waitedMs = 0;
      for (; ends.length === started; waitedMs += 50) mock.timers.tick(50);
      return waitedMs;
    },
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]();
      mock.timers.reset();
    },
  };
}

test("one that dies before it did any work waits twice as long each time", async () => {
  await using rig = await openRig();
  for (const expected of [100, 200, 400, 800]) assert.equal(await rig.restartMsAfter(death), expected);
});

test("one that had begun a request is started again after the least wait, whatever was before", async () => {
  await using rig = await openRig();
  const worked = { ...death, hasWorked: true };
  for (let deaths = 0; deaths < 20; deaths += 1) assert.equal(await rig.restartMsAfter(worked), restartMinMs);
  await rig.restartMsAfter(death);
  assert.equal(await rig.restartMsAfter(death), 4 * restartMinMs);
  assert.equal(await rig.restartMsAfter(worked), restartMinMs);
});
