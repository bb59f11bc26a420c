import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Slots } from "./slots.ts";

test("each value is found under its number once, whatever comes and goes in between", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(20))), (steps) => {
      const slots = new Slots<string>();
      const model = new Map<number, string>();
      let count = 0;
      for (const step of steps) {
        if (step === null) {
          count += 1;
          const slot = slots.add(`value ${count}`);
          assert.ok(!model.has(slot), "a number that is in use is nobody else's");
          model.set(slot, `value ${count}`);
        } else {
          assert.equal(slots.take(step), model.get(step));
          model.delete(step);
        }
        assert.equal(slots.size, model.size);
      }
    }),
  );
});

test("numbers are used again: as many as were in use at once", () => {
  const slots = new Slots<string>();
  for (let round = 0; round < 1_000; round += 1) {
    const taken = [slots.add("a"), slots.add("b"), slots.add("c")];
    for (const slot of taken) assert.ok(slot < 3);
    for (const slot of taken) slots.take(slot);
  }
});
