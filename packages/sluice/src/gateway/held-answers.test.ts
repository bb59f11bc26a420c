import { doesNotThrow, throws } from "node:assert/strict";
import { test } from "node:test";
import { HeldAnswers } from "./held-answers.ts";

test("the front's senders have half of the room together, and leave the rest to the API", () => {
  const held = new HeldAnswers(undefined, 4);
  const end = (): void => {};
  const first = held.hold("keyless", end);
  held.hold("keyless", end);
  throws(() => held.hold("keyless", end), /up to 4 answers/);
  held.hold(undefined, end);
  first[Symbol.dispose]();
  doesNotThrow(() => held.hold("keyless", end));
  held.hold(undefined, end);
  throws(() => held.hold(undefined, end), /up to 4 answers/);
});
