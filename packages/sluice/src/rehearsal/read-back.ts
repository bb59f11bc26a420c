// Asks for every request of the books over HTTP: its outcome, its result, its body. What was sent without an answer is
// sent once more under its key, and has to get the id of its receipt.
import { setTimeout as delay } from "node:timers/promises";
import { SluiceClientError, type Placement, type SluiceClient } from "@sluice/client";
import type { Clock } from "../core/clock.ts";
import type { Books } from "./books.ts";
import type { Payloads } from "./payloads.ts";
import { hashOf } from "./watch.ts";

export interface ReadBackOptions {
  readonly clients: readonly [SluiceClient, ...SluiceClient[]];
  readonly queue: string;
  readonly books: Books;
  readonly payloads: Payloads;
  readonly keyOf: (number: number) => string;
  readonly placementOf?: ((number: number) => Placement) | undefined;
  /** Whether a result is that of a body; undefined takes any, and reads the stored body back. */
  readonly isResultOf: ((result: Uint8Array, body: Uint8Array) => boolean) | undefined;
  /** What results were before, by request number. */
  readonly seenResults: ReadonlyMap<number, string>;
  readonly clock: Clock;
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

export interface Found {
  done: number;
  dead: number;
  cancelled: number;
  /** Accepted, and without an outcome when patience ended. */
  unfinished: number;
  /** Accepted, and not there. */
  lost: number;
  /** The stored body is not what was sent, or the result is not that of its body. */
  mismatched: number;
  /** The result is not what it was before. */
  changed: number;
  /** A key with a second id. */
  doubled: number;
  /** The first few ids of what is wrong, with what it is. */
  readonly wrong: string[];
}

type Verdict = Exclude<keyof Found, "wrong" | "changed">;

const readersMax = 16;
const againAfterMs = 200;
export const namedMax = 10;

export async function readBack(options: ReadBackOptions): Promise<Found> {
  const found: Found = {
    done: 0,
    dead: 0,
    cancelled: 0,
    unfinished: 0,
    lost: 0,
    mismatched: 0,
    changed: 0,
    doubled: 0,
    wrong: [],
  };
  await readAll(options, found);
  await inTurns(options.books.uncertain, (number) => sendAgain(number, options, found));
  return found;
}

async function readAll(options: ReadBackOptions, found: Found): Promise<void> {
  const { books, clock, patienceMs, signal } = options;
  let left: Iterable<readonly [number, string]> = books.receipts();
  let leftBefore = Number.POSITIVE_INFINITY;
  for (let movedAt = clock.monotonic(); ;) {
    const unfinished = await readRound(left, options, found);
    if (unfinished.length === 0) return;
    if (unfinished.length < leftBefore) movedAt = clock.monotonic();
    if (clock.monotonic() - movedAt > patienceMs) {
      found.unfinished = unfinished.length;
      found.wrong.push(...unfinished.slice(0, namedMax).map(([, id]) => `unfinished ${id}`));
      return;
    }
    [left, leftBefore] = [unfinished, unfinished.length];
    await delay(againAfterMs, undefined, { signal });
  }
}

/** Gives back those without an outcome yet. */
async function readRound(
  receipts: Iterable<readonly [number, string]>,
  options: ReadBackOptions,
  found: Found,
): Promise<(readonly [number, string])[]> {
  const unfinished: (readonly [number, string])[] = [];
  await inTurns(receipts, async (receipt, turn) => {
    const client = options.clients[turn % options.clients.length] ?? options.clients[0];
    const verdict = await readOne(receipt, { client, options, found });
    if (verdict === "unfinished") unfinished.push(receipt);
    else note(found, verdict, receipt[1]);
  });
  return unfinished;
}

async function inTurns<Item>(items: Iterable<Item>, act: (item: Item, turn: number) => Promise<void>): Promise<void> {
  const next = items[Symbol.iterator]();
  const actInTurn = async (turn: number): Promise<void> => {
    for (let step = next.next(); step.done !== true; step = next.next()) await act(step.value, turn);
  };
  await Promise.all(Array.from({ length: readersMax }, (_, turn) => actInTurn(turn)));
}

interface Reading {
  readonly client: SluiceClient;
  readonly options: ReadBackOptions;
  readonly found: Found;
}

async function readOne([number, id]: readonly [number, string], reading: Reading): Promise<Verdict> {
  const { client, options, found } = reading;
  const { books, isResultOf, payloads, seenResults, signal } = options;
  const sent = payloads.of(number);
  try {
    const { bytes } = await client.result(id, { signal });
    await books.note({ kind: "result", number, id, bytes });
    const before = seenResults.get(number);
    if (before !== undefined && before !== hashOf(bytes)) {
      found.changed += 1;
      name(found, `changed ${id}`);
    }
    const isRight = isResultOf?.(bytes, sent) ?? isSame((await client.body(id, { signal })).bytes, sent);
    return isRight ? "done" : "mismatched";
  } catch (error) {
    return verdictOf(error);
  }
}

export function isSame(bytes: Uint8Array, others: Uint8Array): boolean {
  return Buffer.from(bytes).equals(others);
}

function verdictOf(error: unknown): Verdict {
  if (!(error instanceof SluiceClientError)) throw error;
  if (error.kind === "dead") return "dead";
  if (error.code === "not-finished") return "unfinished";
  if (error.code === "cancelled") return "cancelled";
  if (error.code === "unknown-request") return "lost";
  throw error;
}

async function sendAgain(number: number, options: ReadBackOptions, found: Found): Promise<void> {
  const { books, clients, queue, payloads, keyOf, placementOf, signal } = options;
  const id = books.idOf(number);
  if (id === undefined) return; // nobody promised anything
  const { contentType } = payloads;
  const repeated = { key: keyOf(number), contentType, signal, ...placementOf?.(number) };
  const again = await clients[0].submit(queue, payloads.of(number), repeated);
  if (again.id !== id) note(found, "doubled", `${id} and ${again.id}`);
}

function note(found: Found, verdict: Verdict, id: string): void {
  found[verdict] += 1;
  if (verdict !== "done" && verdict !== "dead" && verdict !== "cancelled") name(found, `${verdict} ${id}`);
}

function name(found: Found, what: string): void {
  if (found.wrong.length < namedMax) found.wrong.push(what);
}
