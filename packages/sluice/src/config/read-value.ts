// Single values of a configuration. Every wrong one is named with its place and its rule.
import { wrong } from "../core/setting.ts";

/** A file's path or a host; longer than any that works. */
const textCharsMax = 4_096;
const textsMax = 1_000;

export function assertObject(place: string, value: unknown, fields: readonly string[]): void {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrong(place, "must be an object", value);
  const unknown = Object.keys(value).find((field) => !fields.includes(field));
  if (unknown === undefined) return;
  const meant = nearest(unknown, fields);
  const advice = meant === undefined ? "" : `; did you mean ${meant}?`;
  throw wrong(place, `knows the fields ${fields.join(", ")}`, unknown, advice);
}

/** Undefined where nothing was given. */
export function readText(place: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const isText = typeof value === "string" && value !== "" && value.length <= textCharsMax && !value.includes("\0");
  if (!isText) throw wrong(place, `must be a text of 1 to ${textCharsMax} characters`, value);
  return value;
}

/** A list without holes, of at most a thousand. */
export function readTexts(place: string, value: unknown): readonly string[] {
  const texts: unknown[] =
    Array.isArray(value) && value.length <= textsMax ? Array.from(value as unknown[]) : [undefined];
  if (!texts.every((text) => typeof text === "string"))
    throw wrong(place, `must be a list of up to ${textsMax} texts`, value);
  return texts;
}

/** The field that a mistyped one stands for: at most a third of its letters are others. */
function nearest(typed: string, fields: readonly string[]): string | undefined {
  const near = fields
    .map((field) => ({ field, distance: distanceOf(typed.slice(0, 40).toLowerCase(), field.toLowerCase()) }))
    .filter(({ field, distance }) => distance <= Math.ceil(field.length / 3));
  return near.toSorted((a, b) => a.distance - b.distance)[0]?.field;
}

/** Letters to add, leave out or change (Levenshtein). */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [i, letter] of [...a].entries()) {
    const above = row;
    row = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const changed = (above[j] as number) + (letter === other ? 0 : 1);
      row.push(Math.min(changed, (above[j + 1] as number) + 1, (row[j] as number) + 1));
    }
  }
  return row.at(-1) as number;
}
