// Order keys and groups in a rehearsal: which request has which, whether each key's requests began in their turn, and what each
// group waited. A client knows of two requests which was accepted first where the receipt of one came before the other was sent,
// or where both travelled in one batch; and of a retried one when its last attempt began.
import type { Placement, SluiceClient } from "@sluice/client";
import type { Books } from "./books.ts";

export interface Share {
  readonly group: string;
  /** Of the requests, from 0 to 1. */
  readonly share: number;
}

export interface Placing {
  /** How many order keys; 0 is none. */
  readonly orders: number;
  /** What they leave over has no group. */
  readonly groups: readonly Share[];
}

export interface GroupWait {
  /** "" is that of requests without a group. */
  readonly group: string;
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Turns {
  /** Requests that began before one of their order key had ended, or that was accepted earlier had begun. */
  readonly outOfTurn: readonly string[];
  readonly waits: readonly GroupWait[];
}

/** A request that has ended, as far as turns go. */
export interface Course {
  readonly number: number;
  readonly id: string;
  readonly acceptedAt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
}

/** Its multiples spread evenly over any share, and go along with no order key. */
const golden = (Math.sqrt(5) - 1) / 2;
const pageSize = 1_000;

export function placementOf({ orders, groups }: Placing, number: number): Placement {
  const group = groupOf(groups, number);
  return { order: orders === 0 ? undefined : `order-${number % orders}`, group: group === "" ? undefined : group };
}

function groupOf(groups: readonly Share[], number: number): string {
  let left = (number * golden) % 1;
  for (const { group, share } of groups) {
    if (left < share) return group;
    left -= share;
  }
  return "";
}

interface Reading {
  readonly client: SluiceClient;
  readonly queue: string;
  readonly books: Books;
  readonly placing: Placing;
  readonly signal: AbortSignal;
}

export async function readTurns({ client, queue, books, placing, signal }: Reading): Promise<Turns> {
  const courses = await readCourses({ client, queue, books, signal });
  const ofKeys = Map.groupBy(placing.orders === 0 ? [] : courses, ({ number }) => number % placing.orders);
  const ofGroups = Map.groupBy(placing.groups.length === 0 ? [] : courses, ({ number }) =>
    groupOf(placing.groups, number),
  );
  return {
    outOfTurn: [...ofKeys.values()].flatMap((own) => outOfTurn(own, books)),
    waits: [...ofGroups].map(([group, own]) => waitOf(group, own)).toSorted((a, b) => (a.group < b.group ? -1 : 1)),
  };
}

async function readCourses({ client, queue, books, signal }: Omit<Reading, "placing">): Promise<readonly Course[]> {
  const numbers = new Map(Array.from(books.receipts(), ([number, id]) => [id, number]));
  const courses: Course[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.list({ queue, limit: pageSize, cursor, signal });
    for (const { id, acceptedAt, startedAt, finishedAt } of page.requests) {
      const number = numbers.get(id);
      if (!numbers.delete(id) || number === undefined || startedAt === null || finishedAt === null) continue;
      const [accepted, started, finished] = [acceptedAt, startedAt, finishedAt].map((time) => Date.parse(time));
      courses.push({ number, id, acceptedAt: accepted ?? 0, startedAt: started ?? 0, finishedAt: finished ?? 0 });
    }
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && numbers.size > 0);
  return courses;
}

/** Of the requests of one order key, those that were. */
export function outOfTurn(own: readonly Course[], books: Pick<Books, "spanOf" | "uncertain">): readonly string[] {
  const inOrder = own.toSorted(
    (a, b) => a.startedAt - b.startedAt || a.finishedAt - b.finishedAt || a.number - b.number,
  );
  const wrong: string[] = [];
  let [endedAt, sentLast] = [0, 0];
  /** The highest number that has begun, of those that were sent together. */
  const begun = new Map<number, number>();
  for (const { number, id, startedAt, finishedAt } of inOrder) {
    const { sentAt, receiptAt } = books.spanOf(number);
    const isBehindLater = receiptAt < sentLast || (begun.get(sentAt) ?? -1) > number;
    if (startedAt < endedAt || isBehindLater) wrong.push(id);
    endedAt = Math.max(endedAt, finishedAt);
    sentLast = Math.max(sentLast, sentAt);
    if (!books.uncertain.has(number)) begun.set(sentAt, Math.max(number, begun.get(sentAt) ?? -1));
  }
  return wrong;
}

function waitOf(group: string, own: readonly Course[]): GroupWait {
  const waits = own.map(({ acceptedAt, startedAt }) => Math.max(0, startedAt - acceptedAt)).toSorted((a, b) => a - b);
  const at = (share: number): number => waits[Math.ceil(waits.length * share) - 1] ?? 0;
  return { group, count: own.length, p50Ms: at(0.5), p99Ms: at(0.99) };
}
