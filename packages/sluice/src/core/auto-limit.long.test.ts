import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { reachedIn, targetShapes } from "../../test/target-model.ts";

const seeds = 12;

/**
 * What the worst seed misses: one server of two or four is half or a quarter of the capacity, another client's bursts leave no
 * sharp knee, and a slow rise and strong jitter take long to see.
 */
const bounds: Partial<Record<keyof typeof targetShapes, { readonly share: number; readonly p99: number }>> = {
  "knee of 2": { share: 0.94, p99: 1.2 },
  "knee of 4": { share: 0.94, p99: 1.2 },
  shared: { share: 0.93, p99: 1.3 },
  "drift up": { share: 0.93, p99: 1.2 },
  exponential: { share: 0.94, p99: 1.2 },
};

describe("the discovered limit, over many seeds", () => {
  for (const name of Object.keys(targetShapes) as (keyof typeof targetShapes)[]) {
    it(`reaches B's capacity one minute after a start or a change: ${name}`, (test) => {
      const all = Array.from({ length: seeds }, (_, seed) => reachedIn(name, seed));
      const shares = Float64Array.from(all, ({ share }) => share).toSorted();
      const p99s = Float64Array.from(all, ({ p99 }) => p99).toSorted();
      const [share, p99] = [shares[0] as number, p99s.at(-1) as number];
      const middle = Math.floor(seeds / 2);
      test.diagnostic(
        `${name}: share least ${share.toFixed(3)}, median ${shares[middle]?.toFixed(3)}; ` +
          `p99 against best most ${p99.toFixed(2)}, median ${p99s[middle]?.toFixed(2)}`,
      );
      const bound = bounds[name] ?? { share: 0.95, p99: 1.2 };
      assert.ok(share >= bound.share, `a share of ${share}`);
      assert.ok(p99 <= bound.p99, `a p99 of ${p99} times the best`);
    });
  }
});
