// One connection as the ledger's server sees it: its transaction, its settings, what it waits for.
import type { Wire } from "../wire.ts";
import type { Tables } from "./tables.ts";

/** What a statement is answered with. */
export type Answer =
  | {
      readonly kind: "rows";
      readonly rows: readonly Readonly<Record<string, unknown>>[];
      readonly warning?: string | undefined;
    }
  | { readonly kind: "refused"; readonly error: Error };

export interface Query {
  /** Undefined for a script. */
  readonly name: string | undefined;
  readonly text: string;
  readonly values: readonly unknown[];
  readonly reply: (answer: Answer) => void;
  /** How long it takes from its beginning on. */
  readonly takesMs: number;
}

export type Transaction =
  | { readonly kind: "none" }
  /** What it changed is in `fork`, once it has changed something. */
  | { readonly kind: "open"; fork: Tables | undefined; readonly isLocal: boolean; effects?: number[] }
  | { readonly kind: "snapshot"; readonly seen: Tables };

export interface Session {
  readonly wire: Wire;
  readonly no: number;
  readonly settings: Map<string, string>;
  transaction: Transaction;
  isOver: boolean;
  /** Whether it ended inside a transaction: what came after in it is undone with it. */
  wasInside: boolean;
}
