// What a mutant is: a bug that the suite must see, seeded into a copy of the sources.

export interface Mutant {
  /** Unique in its engine. */
  readonly name: string;
  readonly engine: EngineName;
  readonly bug: string;
  readonly patches: readonly Patch[];
  readonly catcher: Catcher;
  /** What the red run says: red for another reason does not count. */
  readonly sign: RegExp;
  /** What stays green with the bug, as the ledger heals it. */
  readonly healed?: Catcher;
}

export type EngineName = "embedded" | "cluster";

export interface Patch {
  /** From the root of the repository. */
  readonly file: string;
  /** Is there once; as short as it can be, so that it outlives edits around it. */
  readonly from: string;
  readonly to: string;
}

export type Catcher =
  /** Of the engine's fault suite. */
  | { readonly kind: "scenario"; readonly name: string; readonly rounds: number }
  /** Tests of a file, from the root of the repository, whose names fit. */
  | { readonly kind: "test"; readonly file: string; readonly cases: string };

export function nameOf(catcher: Catcher): string {
  switch (catcher.kind) {
    case "scenario":
      return `scenario ${catcher.name}`;
    case "test":
      return `${catcher.file.split("/").at(-1)}: ${catcher.cases}`;
    default:
      return catcher satisfies never;
  }
}

/** Throws when it does not apply exactly once. */
export function patched(source: string, { file, from, to }: Patch): string {
  const found = source.split(from).length - 1;
  if (found !== 1) throw new Error(`the patch of ${file} applies ${found} times, not once: ${from}`);
  return source.replace(from, () => to);
}
