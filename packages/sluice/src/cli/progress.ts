// How far a long send is: a bar on a terminal, a plain line every few seconds elsewhere. On standard error.
import { formatDuration } from "../core/duration.ts";
import { formatCount } from "./print.ts";

const barMs = 150;
const lineMs = 5_000;
const barCells = 24;

export interface Extent {
  readonly acceptedCount: number;
  readonly elapsedMs: number;
  /** From 0 to 1; undefined when the end is not known. */
  readonly fraction: number | undefined;
}

/** Shows the extent until disposed. */
export function showProgress(extent: () => Extent): Disposable {
  return showStatus(() => (process.stderr.isTTY ? barOf(extent()) : textOf(extent())));
}

/** Shows a line of status until disposed. */
export function showStatus(status: () => string): Disposable {
  const { stderr } = process;
  const draw = stderr.isTTY ? () => stderr.write(`\r\x1b[K${status()}`) : () => stderr.write(`${status()}\n`);
  const timer = setInterval(draw, stderr.isTTY ? barMs : lineMs);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      if (stderr.isTTY) stderr.write("\r\x1b[K");
    },
  };
}

function barOf(extent: Extent): string {
  if (extent.fraction === undefined) return textOf(extent);
  const full = Math.floor(extent.fraction * barCells);
  return `${"█".repeat(full)}${"░".repeat(barCells - full)} ${textOf(extent)}`;
}

function textOf({ acceptedCount, elapsedMs, fraction }: Extent): string {
  const parts = [`${formatCount(acceptedCount)} accepted`, `${formatCount(ratePerSecond(acceptedCount, elapsedMs))}/s`];
  if (fraction !== undefined) parts.unshift(`${Math.floor(fraction * 100)}%`);
  if (fraction !== undefined && fraction > 0) parts.push(`${leftText((elapsedMs * (1 - fraction)) / fraction)} left`);
  return parts.join(", ");
}

export function ratePerSecond(count: number, elapsedMs: number): number {
  return (count / Math.max(1, elapsedMs)) * 1_000;
}

/** In whole seconds, and never none: the last batches are still under way. */
function leftText(leftMs: number): string {
  return formatDuration(Math.max(1, Math.ceil(leftMs / 1_000)) * 1_000);
}
