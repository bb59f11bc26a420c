// What the demo shows: a bar that moves on a terminal, a plain line every other second elsewhere.

const barCells = 30;
const frameMs = 100;
const lineMs = 2_000;

export interface Frame {
  readonly label: string;
  /** From 0 to 1. */
  readonly fraction: number;
  readonly text: string;
}

export class Screen {
  readonly #isTerminal = process.stdout.isTTY;

  /** A line that stays, above the bar. */
  say(text = ""): void {
    process.stdout.write(`${this.#isTerminal ? "\r\x1b[K" : ""}${text}\n`);
  }

  /** Shows how far something is, until disposed; then its last frame stays. */
  follow(frameOf: () => Frame): Disposable {
    const draw = this.#isTerminal
      ? () => process.stdout.write(`\r\x1b[K${barOf(frameOf())}`)
      : () => process.stdout.write(`${lineOf(frameOf())}\n`);
    const timer = setInterval(draw, this.#isTerminal ? frameMs : lineMs);
    return {
      [Symbol.dispose]() {
        clearInterval(timer);
        draw();
        if (process.stdout.isTTY) process.stdout.write("\n");
      },
    };
  }

  bold(text: string): string {
    return this.#isTerminal ? `\x1b[1m${text}\x1b[22m` : text;
  }
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

function barOf({ label, fraction, text }: Frame): string {
  const full = Math.round(fraction * barCells);
  return `${label.padEnd(8)} ${"█".repeat(full)}${"░".repeat(barCells - full)} ${percent(fraction)}  ${text}`;
}

function lineOf({ label, fraction, text }: Frame): string {
  return `${label.padEnd(8)} ${percent(fraction)}  ${text}`;
}

function percent(fraction: number): string {
  return `${Math.floor(fraction * 100)}%`.padStart(4);
}
