// What a setting may be: one declaration serves the check at the start, the help of a flag and the reference in docs. Pure.
import { parseDuration, parseRate, parseSize } from "./duration.ts";
import { SluiceError } from "./errors.ts";

/** Both ends, and the default, as people write them. Undefined where nothing is the default. */
export interface Setting {
  readonly kind: keyof typeof kinds;
  readonly min: string;
  readonly max: string;
  readonly default?: string;
}

const kinds = {
  integer: { a: "an integer", parse: parseInteger },
  factor: { a: "a factor", parse: parseFactor },
  duration: { a: "a duration", parse: parseDuration },
  size: { a: "a size", parse: parseSize },
  rate: { a: "a rate", parse: parseRate },
} as const;

const shownCharsMax = 100;

/** A value of a file, a flag or a variable as a number; the default where there is none. Errors: `bad-config`. */
export function readSetting<Declared extends Setting>(
  place: string,
  setting: Declared,
  value: unknown,
): Declared extends { default: string } ? number : number | undefined;
export function readSetting(place: string, setting: Setting, value: unknown = setting.default): number | undefined {
  if (value === undefined) return undefined;
  const number = parseSetting(setting, value);
  if (number === undefined) throw wrong(place, `must be ${ruleOf(setting)}`, value);
  return number;
}

/** Undefined when it is none, or out of bounds. */
function parseSetting({ kind, min, max }: Setting, value: unknown): number | undefined {
  const { parse } = kinds[kind];
  const number = numberOf(kind, value);
  return number >= parse(min) && number <= parse(max) ? number : undefined;
}

/** `"a duration from 1ms to 24h"` */
export function ruleOf({ kind, min, max }: Setting): string {
  return `${kinds[kind].a} from ${min} to ${max}`;
}

/** `"1ms to 24h, default 30s"` */
export function rangeOf({ min, max, ...setting }: Setting): string {
  return `${min} to ${max}${setting.default === undefined ? "" : `, default ${setting.default}`}`;
}

/** The rule and the value that breaks it. */
export function wrong(place: string, rule: string, value: unknown, advice = ""): SluiceError {
  return new SluiceError("bad-config", `${place} ${rule}, got ${valueText(value)}${advice}`);
}

/** Any value on one line, and within bounds. */
function valueText(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(shortened(value));
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  return shortened(String(value));
}

function shortened(text: string): string {
  return text.length <= shownCharsMax ? text : `${text.slice(0, shownCharsMax)}…`;
}

function numberOf(kind: Setting["kind"], value: unknown): number {
  const hasNoUnit = kind === "integer" || kind === "factor";
  const text = hasNoUnit && typeof value === "number" ? String(value) : value;
  if (typeof text !== "string") return Number.NaN;
  try {
    return kinds[kind].parse(text);
  } catch {
    return Number.NaN; // the rule of the setting says more
  }
}

function parseInteger(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(number) ? number : Number.NaN;
}

/** `"60x"` */
function parseFactor(text: string): number {
  return /^\d+(?:\.\d+)?x?$/.test(text) ? Number(text.replace("x", "")) : Number.NaN;
}
