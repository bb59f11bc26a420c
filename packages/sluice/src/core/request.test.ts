import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canMove, isFinal, states, type State } from "./request.ts";

const anyState = fc.constantFrom(...states);

/** A walk that takes every legal move of the ones tried, from the state in which a request is born. */
function walk(tries: readonly State[]): readonly State[] {
  const path: State[] = ["waiting"];
  for (const next of tries) if (canMove(path.at(-1) as State, next)) path.push(next);
  return path;
}

test("a final state is never left, but for the replay of a dead request", () => {
  fc.assert(
    fc.property(anyState, anyState, (from, to) => {
      if (isFinal(from)) assert.equal(canMove(from, to), from === "dead" && to === "waiting");
    }),
  );
});

test("no state moves to itself", () => {
  for (const state of states) assert.equal(canMove(state, state), false, state);
});

test("on every path a request is done or dead only after it ran, and cancelled only while it did not", () => {
  fc.assert(
    fc.property(fc.array(anyState, { maxLength: 100 }), (tries) => {
      const path = walk(tries);
      for (const [index, state] of path.entries()) {
        const before = path[index - 1];
        if (state === "done" || state === "dead") assert.equal(before, "running");
        if (state === "cancelled") assert.ok(before === "waiting" || before === "scheduled");
      }
    }),
  );
});

test("on every path there is one outcome between two replays", () => {
  fc.assert(
    fc.property(fc.array(anyState, { maxLength: 100 }), (tries) => {
      let outcomes = 0;
      let replays = 0;
      const path = walk(tries);
      for (const [index, state] of path.entries()) {
        if (isFinal(state)) outcomes += 1;
        if (path[index - 1] === "dead") replays += 1;
      }
      assert.equal(outcomes - replays, isFinal(path.at(-1) as State) ? 1 : 0);
    }),
  );
});

test("from every state that is not final an outcome can be reached", () => {
  for (const start of states.filter((state) => !isFinal(state))) {
    assert.ok((canMove(start, "running") && canMove("running", "done")) || canMove(start, "done"), start);
  }
});
