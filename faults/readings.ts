// Reads back over HTTP what became of the requests.
import type { Reading } from "./checker.ts";
import type { Ledger } from "./ledger.ts";
import { sha256Of } from "./parcel.ts";

interface WireRequest {
  readonly id: string;
  readonly key: string | null;
  readonly state: string;
  readonly sameAs?: string;
}

const finalStates: ReadonlySet<string> = new Set(["done", "dead", "cancelled"]);
const readersAtOnce = 8;
/** Beyond this a request that has no outcome counts as one that never will. */
const drainMsMax = 90_000;

/** Waits until every request of the store has its outcome, then reads them all: with their results, or with so many. */
export async function readOutcomes(url: string, resultsMax = Number.POSITIVE_INFINITY): Promise<readonly Reading[]> {
  const listed = await listAll(url);
  const deadline = performance.now() + drainMsMax;
  const stride = Math.max(1, Math.ceil(listed.length / resultsMax));
  return mapAtOnce(listed, async ({ id, key, state }, index) => {
    const ended = finalStates.has(state) ? state : await waitForOutcome(`${url}/v1/requests/${id}`, deadline);
    const isResultRead = index % stride === 0;
    const result = isResultRead ? await readResult(url, id, ended) : noResult;
    return { id, key: key ?? "", state: ended, isResultRead, ...result };
  });
}

/** Of ids that were given and are not listed, those that show another request as theirs. */
export async function readAliases(url: string, ids: Iterable<string>, listed: readonly Reading[]): Promise<Reading[]> {
  const known = new Set(listed.map(({ id }) => id));
  const others = [...new Set(ids)].filter((id) => !known.has(id));
  const read = await mapAtOnce(others, async (id): Promise<readonly Reading[]> => {
    const response = await fetch(`${url}/v1/requests/${id}`);
    const { key, state, sameAs } = (await response.json()) as WireRequest;
    if (sameAs === undefined) return []; // lost
    return [{ id, key: key ?? "", state, sameAs, isResultRead: true, ...(await readResult(url, id, state)) }];
  });
  return read.flat();
}

const noResult = { resultHash: undefined, resultOf: undefined };

const resultsSampled = 20;

/** Notes a few results that are there by now: they may never change again. Stops when the gateway dies on the way. */
export async function sampleResults(url: string, ids: readonly string[], ledger: Ledger): Promise<void> {
  try {
    for (const id of ids.slice(-resultsSampled)) {
      const resultHash = await readResultHash(url, id);
      if (resultHash !== undefined) await ledger.append({ kind: "result", id, resultHash });
    }
  } catch (error) {
    if (!isBrokenOff(error)) throw error;
  }
}

async function readResultHash(url: string, id: string): Promise<string | undefined> {
  const response = await fetch(`${url}/v1/requests/${id}/result`);
  const bytes = Buffer.from(await response.arrayBuffer());
  return response.status === 200 ? sha256Of(bytes) : undefined;
}

export interface Audit {
  readonly holds: boolean;
  readonly queues: readonly { readonly waiting: number; readonly scheduled: number; readonly running: number }[];
  /** At most a hundred of each kind for each queue. */
  readonly findings: readonly { readonly kind: string; readonly gap: { readonly requests: number } | null }[];
}

export async function readAudit(url: string): Promise<Audit> {
  return (await getJson(`${url}/v1/audit`)) as Audit;
}

/** How `fetch` tells that the connection was refused, or broke. */
export function isBrokenOff(error: unknown): boolean {
  return error instanceof TypeError;
}

async function listAll(url: string): Promise<readonly WireRequest[]> {
  const listed: WireRequest[] = [];
  for (let cursor = ""; ;) {
    const page = (await getJson(`${url}/v1/requests?limit=1000${cursor}`)) as {
      readonly requests: readonly WireRequest[];
      readonly nextCursor?: string | null;
    };
    for (const { id, key, state } of page.requests) listed.push({ id, key, state });
    if (page.nextCursor === null || page.nextCursor === undefined) return listed;
    cursor = `&cursor=${encodeURIComponent(page.nextCursor)}`;
  }
}

/** The state at the deadline if there is no outcome until then. */
async function waitForOutcome(url: string, deadline: number): Promise<string> {
  for (;;) {
    const { state } = (await getJson(url, { prefer: "wait=10" })) as WireRequest;
    if (finalStates.has(state) || performance.now() > deadline) return state;
  }
}

async function readResult(url: string, id: string, state: string): Promise<Pick<Reading, "resultHash" | "resultOf">> {
  if (state !== "done") return noResult;
  const response = await fetch(`${url}/v1/requests/${id}/result`);
  const bytes = Buffer.from(await response.arrayBuffer());
  return { resultHash: sha256Of(bytes), resultOf: bodyHashIn(bytes) };
}

/** The hash that B wrote; what is not B's answer has none. */
export function bodyHashIn(bytes: Uint8Array): string | undefined {
  try {
    return (JSON.parse(Buffer.from(bytes).toString()) as { readonly sha256?: string }).sha256;
  } catch {
    return undefined; // shows as a mismatch
  }
}

async function getJson(url: string, headers: Record<string, string> = {}): Promise<unknown> {
  const response = await fetch(url, { headers });
  if (!response.ok) throw new Error(`GET ${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

async function mapAtOnce<Item, Value>(
  items: readonly Item[],
  map: (item: Item, index: number) => Promise<Value>,
): Promise<Value[]> {
  const values: Value[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++)
      values[index] = await map(items[index] as Item, index);
  };
  await Promise.all(Array.from({ length: readersAtOnce }, work));
  return values;
}
