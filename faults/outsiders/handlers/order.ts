import type { Made } from "./values.ts";

/** What the handler does with a request, as the request's body. */
export type Order =
  | { readonly act: "good"; readonly n: number }
  | { readonly act: "throw" | "return" | "report"; readonly value: Made }
  /** Moves the memory of its own body elsewhere. */
  | { readonly act: "take-body" }
  /** Speaks to the parent process, if there is one. */
  | { readonly act: "send"; readonly value: unknown }
  /** Only for a target: it responds with these bytes. */
  | { readonly act: "respond"; readonly status: number; readonly base64: string }
  /** Only in a transaction. */
  | { readonly act: "query"; readonly text: Made; readonly values: Made };
