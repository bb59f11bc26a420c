// What commands print on standard output: tables for people, JSON for scripts, bytes as they are.
import { once } from "node:events";
import { visible } from "../core/visible.ts";

export function printJson(value: unknown): void {
  process.stdout.write(jsonText(value));
}

export function jsonText(value: unknown): string {
  return shown(`${JSON.stringify(value, undefined, process.stdout.isTTY ? 2 : undefined)}\n`);
}

export function printLine(line: string): void {
  process.stdout.write(shown(`${line}\n`));
}

/** Resolves once the reader takes more: memory stays flat before a slow one. A closed output takes nothing. */
export async function printSlowly(text: string): Promise<void> {
  const { stdout } = process;
  if (stdout.writable && !stdout.write(shown(text))) await once(stdout, "drain").catch(() => {});
}

/** Rejects when it could not be written. */
export async function printWhole(text: string | Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

export function printBytes(bytes: Uint8Array): void {
  process.stdout.write(bytesText(bytes));
}

/** Bytes for a file or pipe stay as they are; a terminal gets what it can show, and its prompt on the next line. */
export function bytesText(bytes: Uint8Array): Uint8Array | string {
  if (!process.stdout.isTTY) return bytes;
  const text = visible(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
  return text.endsWith("\n") ? text : `${text}\n`;
}

/** For a file or pipe as it is: what reads there is no terminal. */
function shown(text: string): string {
  return process.stdout.isTTY ? visible(text) : text;
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

/** Text from elsewhere on one line, without what could steer a terminal. */
export function printable(text: string): string {
  return visible(text.replace(/[\r\n\t]+/g, " "));
}

const counts = new Intl.NumberFormat("en-US");

/** `1,200` */
export function formatCount(count: number): string {
  return counts.format(Math.round(count));
}
