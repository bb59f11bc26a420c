// Reads trees of parsed YAML, whose shape nobody has checked yet.

export type Tree = Readonly<Record<string, unknown>>;

export function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What lies at the end of a path; a list on the way is followed into each of its items. */
export function at(value: unknown, ...path: readonly string[]): readonly unknown[] {
  if (Array.isArray(value)) return value.flatMap((item) => at(item, ...path));
  const [first, ...rest] = path;
  if (first === undefined) return value === undefined || value === null ? [] : [value];
  return isTree(value) ? at(value[first], ...rest) : [];
}

export function textsAt(value: unknown, ...path: readonly string[]): readonly string[] {
  return at(value, ...path).filter((found) => typeof found === "string");
}

export function textAt(value: unknown, ...path: readonly string[]): string | undefined {
  return textsAt(value, ...path)[0];
}

export function treesAt(value: unknown, ...path: readonly string[]): readonly Tree[] {
  return at(value, ...path).filter(isTree);
}
