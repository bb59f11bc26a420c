// Single values of a configuration. Every wrong one is named with its place and its rule.
import { messageOf, SluiceError } from "../core/errors.ts";

export function assertObject(place: string, value: unknown, fields: readonly string[]): void {
  if (typeof value !== "object" || value === null) throw wrong(place, "must be an object", value);
  const unknown = Object.keys(value).find((field) => !fields.includes(field));
  if (unknown !== undefined) throw wrong(place, `knows the fields ${fields.join(", ")}`, unknown);
}

export function readInteger(place: string, value: unknown, { least, most }: { least: number; most: number }): number {
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof number === "number" && Number.isInteger(number) && number >= least && number <= most) return number;
  throw wrong(place, `must be an integer from ${least} to ${most}`, value);
}

export function readOptional(place: string, parse: (text: string) => number, value: unknown): number | undefined {
  return value === undefined ? undefined : read(place, parse, value);
}

export function read(place: string, parse: (text: string) => number, value: unknown): number {
  try {
    return parse(String(value));
  } catch (cause) {
    throw new SluiceError("bad-config", `${place}: ${messageOf(cause)}`, { cause });
  }
}

export function wrong(place: string, rule: string, value: unknown): SluiceError {
  return new SluiceError("bad-config", `${place} ${rule}, got ${JSON.stringify(value) ?? String(value)}`);
}
