// What was asked of the ledger, in the order in which it was done: to be asked of PostgreSQL again.

export type Recorded =
  | {
      readonly kind: "statement";
      readonly session: number;
      readonly name: string;
      readonly text: string;
      readonly values: readonly unknown[];
      readonly answer: readonly Readonly<Record<string, unknown>>[] | { readonly refused: string };
      readonly clockMs: number;
      /** The last numbers that were drawn before it. */
      readonly drawn: Readonly<Record<"tokens" | "outbox" | "lines" | "events", number>>;
    }
  | { readonly kind: "script"; readonly session: number; readonly text: string }
  | { readonly kind: "ended"; readonly session: number }
  | { readonly kind: "crashed" };

export type Recorder = (recorded: Recorded) => void;
