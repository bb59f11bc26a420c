import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { workOnSlots, type Served } from "../../test/slots-target.ts";
import { Meter } from "../telemetry/meter.ts";

/** Of what the target did in its second half. */
function meanInFlight(served: readonly Served[]): number {
  const later = served.slice(served.length / 2);
  return later.reduce((sum, { inFlight }) => sum + inFlight, 0) / later.length;
}

async function shownLimit(meter: Meter): Promise<number | undefined> {
  const family = (await meter.collect(assert.ifError)).find(({ name }) => name === "sluice.concurrency.limit");
  return family?.kind === "counts" ? family.points[0]?.value : undefined;
}

describe("a worker that discovers the concurrency", () => {
  it("gives a target about as many at once as it can work on, and shows how many", async () => {
    const meter = new Meter();
    let shown: number | undefined;
    const served = await workOnSlots({ slots: 4, serviceMs: 25, requests: 300, meter }, async () => {
      shown = await shownLimit(meter);
    });
    const mean = meanInFlight(served);
    assert.ok(mean >= 3 && mean <= 8, `${mean} at once`);
    assert.ok(shown !== undefined && shown >= 3 && shown <= 8, `shown as ${shown}`);
    assert.equal(await shownLimit(meter), undefined, "a worker that has gone shows nothing");
  });

  it("gives a target that refuses what is too many no more than it takes", async () => {
    const slots = { slots: 64, serviceMs: 25, requests: 300, refusesBeyond: 6 };
    const served = await workOnSlots({ ...slots, meter: new Meter() });
    const refused = served.filter(({ isRefused }) => isRefused).length;
    assert.ok(refused > 0 && refused <= 50, `${refused} refused`);
    const mean = meanInFlight(served);
    assert.ok(mean >= 3 && mean <= 6, `${mean} at once`);
  });
});
