import assert from "node:assert/strict";
import { it } from "node:test";
import { workOnSlots, type Served } from "../../test/slots-target.ts";
import { Meter } from "../telemetry/meter.ts";

const [slots, serviceMs] = [8, 40];

/** The last half. */
function measured(served: readonly Served[]): { readonly perSecond: number; readonly p99: number } {
  const later = served.slice(served.length / 2);
  const [first, last] = [later[0] as Served, later.at(-1) as Served];
  const sorted = later.map(({ tookMs }) => tookMs).toSorted((one, other) => one - other);
  return {
    perSecond: ((later.length - 1) / (last.endedAt - first.endedAt)) * 1_000,
    p99: sorted[Math.floor(sorted.length * 0.99)] as number,
  };
}

it("a real target gives 95 % of its capacity, with a p99 of at most 1.2 times its best", async (test) => {
  const meter = new Meter();
  // What its timers and this machine make of 8 slots and 40 ms, with a queue that is never empty.
  const full = measured(await workOnSlots({ slots, serviceMs, requests: 1_500, meter, concurrency: 4 * slots }));
  const best = measured(await workOnSlots({ slots, serviceMs, requests: 800, meter, concurrency: slots / 2 }));
  const auto = measured(await workOnSlots({ slots, serviceMs, requests: 6_000, meter }));
  const [share, p99] = [auto.perSecond / full.perSecond, auto.p99 / best.p99];
  test.diagnostic(
    `share ${share.toFixed(3)} of ${full.perSecond.toFixed(0)}/s; p99 ${p99.toFixed(2)} of ${best.p99} ms`,
  );
  assert.ok(share >= 0.95, `a share of ${share}`);
  assert.ok(p99 <= 1.2, `a p99 of ${p99} times the best`);
});
