// Durations, rates and sizes as people write them.
import { SluiceError } from "./errors.ts";

const msPer: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const bytesPer: Readonly<Record<string, number>> = { b: 1, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3, tib: 1024 ** 4 };
const hourMs = 3_600_000;

/** `"250ms"`, `"30s"`, `"5m"`, `"2h"`, `"7d"` in whole milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  const ms = match ? Math.round(Number(match[1]) * (msPer[match[2] as string] as number)) : Number.NaN;
  if (!Number.isSafeInteger(ms)) throw unreadable("a duration", text, "30s, 5m, 2h or 7d");
  return ms;
}

/** `"100000/h"`, `"50/s"`, `"600/m"` as a number per hour. */
export function parseRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\/(s|m|h|d)$/.exec(text.trim().replaceAll("_", ""));
  const perHour = match ? (Number(match[1]) * hourMs) / (msPer[match[2] as string] as number) : 0;
  if (perHour <= 0 || !Number.isFinite(perHour)) throw unreadable("a rate above zero", text, "100000/h, 600/m or 50/s");
  return perHour;
}

/** `"1MiB"`, `"512KiB"`, `"900B"` in whole bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(b|kib|mib|gib|tib)$/i.exec(text.trim());
  const bytes = match
    ? Math.floor(Number(match[1]) * (bytesPer[(match[2] as string).toLowerCase()] as number))
    : Number.NaN;
  if (!Number.isSafeInteger(bytes)) throw unreadable("a size", text, "900B, 512KiB, 1MiB or 10GiB");
  return bytes;
}

/** A duration for people: `"1h 05m"`, `"42s"`, `"350ms"`. */
export function formatDuration(ms: number): string {
  if (Math.round(ms) < 1_000) return `${Math.round(ms)}ms`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m ${pad(seconds % 60)}s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)}h ${pad(minutes % 60)}m`;
}

/** A size for people, in the largest unit that leaves no fraction: `"64MiB"`, `"1000B"`. */
export function formatSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let [value, unit] = [bytes, 0];
  for (; value > 0 && value % 1024 === 0 && unit < units.length - 1; unit += 1) value /= 1024;
  return `${value}${units[unit]}`;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}

function unreadable(what: string, text: string, examples: string): SluiceError {
  return new SluiceError("bad-config", `expected ${what} such as ${examples}, got "${text}"`);
}
