import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Slots } from "./slots.ts";

interface Named {
  readonly name: number;
}

test("each value is found under its number once, whatever comes and goes in between", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(20))), (steps) => {
      const slots = new Slots<Named>();
      const model = new Map<number, Named>();
      let count = 0;
      for (const step of steps) {
        if (step === null) {
          count += 1;
          const value = { name: count };
          const slot = slots.add(value);
          assert.ok(!model.has(slot), "a number that is in use is nobody else's");
          model.set(slot, value);
        } else {
          assert.equal(slots.take(step), model.get(step));
          model.delete(step);
        }
        assert.equal(slots.size, model.size);
        assert.deepEqual(new Set(slots.values()), new Set(model.values()));
      }
    }),
  );
});

test("numbers are used again: as many as were in use at once", () => {
  const slots = new Slots<Named>();
  for (let round = 0; round < 1_000; round += 1) {
    const taken = [slots.add({ name: 1 }), slots.add({ name: 2 }), slots.add({ name: 3 })];
    for (const slot of taken) assert.ok(slot < 3);
    for (const slot of taken) slots.take(slot);
  }
});
