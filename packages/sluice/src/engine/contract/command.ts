// The commands of a random history. Plain data, so that fast-check can shrink a history and print it.
import { array, boolean, constantFrom, integer, oneof, option, record, constant, type Arbitrary } from "fast-check";
import type { ModelInput } from "./model.ts";

/** `claim` and `place` pick from what is there by then: the newest is 0. */
export type Command =
  | { readonly verb: "accept"; readonly inputs: readonly ModelInput[] }
  | { readonly verb: "deliver"; readonly max: number }
  | { readonly verb: "settle"; readonly claim: number; readonly error: string | undefined }
  | {
      readonly verb: "retry";
      readonly claim: number;
      readonly isFuture: boolean;
      readonly error: string | undefined;
      readonly isCounted: boolean;
    }
  | { readonly verb: "replay"; readonly place: number }
  | {
      readonly verb: "replayMany";
      readonly error: string | undefined;
      readonly limit: number;
      readonly isDryRun: boolean;
    }
  | { readonly verb: "cancel"; readonly place: number }
  | { readonly verb: "pause"; readonly isPaused: boolean }
  | { readonly verb: "pass" }
  | { readonly verb: "crash" }
  | { readonly verb: "close" };

const pick = integer({ min: 0, max: 7 });
const error = option(constantFrom("timeout", "rejected"), { nil: undefined });
const input = record({
  key: option(constantFrom("k1", "k2", "k3"), { nil: undefined }),
  sender: option(constantFrom("shop", "bank"), { nil: undefined }),
  body: constantFrom("one", "two", ""),
});

const command: Arbitrary<Command> = oneof(
  {
    weight: 6,
    arbitrary: record({ verb: constant("accept" as const), inputs: array(input, { minLength: 1, maxLength: 4 }) }),
  },
  { weight: 6, arbitrary: record({ verb: constant("deliver" as const), max: integer({ min: 1, max: 4 }) }) },
  { weight: 5, arbitrary: record({ verb: constant("settle" as const), claim: pick, error }) },
  {
    weight: 4,
    arbitrary: record({
      verb: constant("retry" as const),
      claim: pick,
      isFuture: boolean(),
      error,
      isCounted: boolean(),
    }),
  },
  { weight: 2, arbitrary: record({ verb: constant("replay" as const), place: pick }) },
  {
    weight: 1,
    arbitrary: record({
      verb: constant("replayMany" as const),
      error,
      limit: integer({ min: 1, max: 3 }),
      isDryRun: boolean(),
    }),
  },
  { weight: 2, arbitrary: record({ verb: constant("cancel" as const), place: pick }) },
  { weight: 1, arbitrary: record({ verb: constant("pause" as const), isPaused: boolean() }) },
  { weight: 1, arbitrary: record({ verb: constant("pass" as const) }) },
  { weight: 1, arbitrary: record({ verb: constantFrom("crash" as const, "crash" as const, "close" as const) }) },
);

export const history: Arbitrary<readonly Command[]> = array(command, { maxLength: 30, size: "max" });
