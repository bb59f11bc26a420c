// Values for a setting: both ends, one step beyond each, and what people and programs write by mistake.
import { parseDuration, parseSize } from "../../../packages/sluice/src/core/duration.ts";
import type { Setting } from "../../../packages/sluice/src/core/setting.ts";

/** One step below the minimum and one above the maximum. */
export function beyond({ kind, min, max }: Setting): readonly string[] {
  switch (kind) {
    case "integer":
      return [String(Number(min) - 1), String(Number(max) + 1)];
    case "duration":
      return [`${parseDuration(min) - 1}ms`, `${parseDuration(max) + 1}ms`];
    case "size":
      return [`${parseSize(min) - 1}B`, `${parseSize(max) + 1}B`];
    case "rate":
      return [min.replace(/^\d+/, (digits) => String(Number(digits) - 0.1)), max.replace(/^\d+/, plusOne)];
    case "factor":
      return [`${Number.parseFloat(min) / 2}x`, max.replace(/^\d+/, plusOne)];
    default:
      return kind satisfies never;
  }
}

function plusOne(digits: string): string {
  return String(Number(digits) + 1);
}

const units: Readonly<Record<Setting["kind"], string>> = {
  integer: "",
  factor: "x",
  duration: "d",
  size: "TiB",
  rate: "/s",
};

/** No setting takes any of these, as text. */
export function wrongTexts({ kind }: Setting): readonly string[] {
  const unit = units[kind];
  const numbers = [
    "-1",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "1e3",
    "0x10",
    "1,5",
    "٣",
    "1.",
    ".5",
    "9".repeat(400),
  ];
  return [
    ...numbers.map((number) => `${number}${unit}`),
    "",
    " ",
    unit || " 1",
    "ten",
    "null",
    "1 week",
    "9".repeat(1e6),
  ];
}

/** No setting takes any of these, as a value of a file. */
export function wrongValues(): readonly unknown[] {
  const throwing = {
    toString(): string {
      throw new Error("thrown by a value");
    },
  };
  const circular: unknown[] = [];
  circular.push(circular);
  const numbers = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, 1.5, 2 ** 53, 1e300, 5n];
  return [...numbers, null, true, false, [], ["30s"], circular, {}, throwing, () => 1, Symbol("30s"), new Date(0)];
}
