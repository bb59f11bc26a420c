import { test } from "node:test";
import { deepEqual } from "node:assert/strict";
import { Silence } from "./silence.ts";

test("who shows something new is heard, whatever it is, and who shows the same is silent", () => {
  let now = 0;
  const silence = new Silence(1_000, () => now);
  const nos = (ms: number): readonly number[] => silence.silentFor(ms).map(({ no }) => no);
  silence.look([
    [1, 500],
    [2, 500],
  ]);
  deepEqual(nos(1), []);
  for (let sign = 499; sign > 496; sign -= 1) {
    now += 900;
    silence.look([
      [1, sign], // it goes backwards, as a clock that is set right
      [2, 500],
    ]);
  }
  deepEqual(nos(2_700), [2]);
  deepEqual(nos(2_701), []);
  now += 900;
  silence.look([[1, 1]]);
  now += 900;
  silence.look([
    [1, 2],
    [2, 500], // forgotten meanwhile
  ]);
  deepEqual(nos(1), []);
});

test("who looks again after a long while takes nobody for silent that long", () => {
  let now = 0;
  const silence = new Silence(1_000, () => now);
  silence.look([[1, 5]]);
  now += 3_600_000;
  silence.look([[1, 5]]);
  deepEqual(silence.silentFor(0), [{ no: 1, sign: 5, silentMs: 1_000 }]);
});
