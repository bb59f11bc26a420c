// What commands print on standard output: tables for people, JSON for scripts, bytes as they are.
import { once } from "node:events";

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, process.stdout.isTTY ? 2 : undefined)}\n`);
}

export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Resolves once the reader takes more: memory stays flat before a slow one. */
export async function printSlowly(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, "drain");
}

/** Bytes for a file or pipe stay as they are; a terminal gets its prompt on a line of its own. */
export function printBytes(bytes: Uint8Array): void {
  process.stdout.write(bytes);
  if (process.stdout.isTTY && bytes.at(-1) !== 0x0a) process.stdout.write("\n");
}

export interface Column<Row> {
  readonly title: string;
  readonly align?: "right";
  readonly of: (row: Row) => string;
}

export function printTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
  process.stdout.write(tableOf(rows, columns));
}

export function tableOf<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const lines = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map((column) => printable(column.of(row)))),
  ];
  const widths = columns.map((_, at) => Math.max(...lines.map((cells) => (cells[at] as string).length)));
  const render = (cells: readonly string[]) =>
    cells.map((cell, at) => pad(cell, widths[at] as number, columns[at]?.align));
  return lines.map((cells) => `${render(cells).join("  ").trimEnd()}\n`).join("");
}

function pad(cell: string, width: number, align: "right" | undefined): string {
  return align === "right" ? cell.padStart(width) : cell.padEnd(width);
}

/** Name and value, one pair a line. */
export function printFields(fields: Readonly<Record<string, string | undefined>>): void {
  const shown = Object.entries(fields).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const width = Math.max(...shown.map(([name]) => name.length));
  for (const [name, value] of shown) printLine(`${name.padEnd(width)}  ${printable(value)}`);
}

/** Text from elsewhere without the control characters that could steer a terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}

const counts = new Intl.NumberFormat("en-US");

/** `1,200` */
export function formatCount(count: number): string {
  return counts.format(Math.round(count));
}
