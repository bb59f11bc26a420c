// A great backlog that waits longer than finished requests are kept: neither a key nor a body may be forgotten before its
// outcome. Some of it is hopeless, and is replayed twice: once in vain.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { order } from "../cluster/observe.ts";
import { drained, perSecond, residentsOf, type Field, type FieldSetting } from "../field.ts";
import { Peaks } from "../peaks.ts";
import { arrivalsOf, sendOn, type Profile } from "../rehearsal.ts";
import type { Played, PlayOptions } from "../scenario.ts";

export const backlogFault = "a great backlog waits longer than the retention; dead ones are replayed twice";

const requests = 100_000;
const requestsFull = 1_000_000;
const requestsShort = 2_000;
const hopelessEvery = 1_000;
const repeatedKeys = 200;
const retentionMs = 2_000;
/** Of any process, whatever waits: the embedded engine has all in one, a gateway or a worker needs less. */
const mibMax = 300;
const drainMsMax = 240_000;

export async function playBacklog(
  open: (setting: FieldSetting) => Promise<Field>,
  { isShort, isFull }: PlayOptions,
): Promise<Played> {
  const total = isShort ? requestsShort : isFull ? requestsFull : requests;
  const retention = `${retentionMs}ms`;
  await using field = await open({ retention });
  const [url] = field.urls;
  const peaks = new Peaks(mibMax);
  const wrong: string[] = [];
  await order(url, "pause");
  const { ms: fillMs, value: books } = await timed(() => sendOn(field, waiting(total)));
  peaks.note(residentsOf(field));
  await field.restart(retention); // at its start it looks for what is older, whichever the engine
  await delay(2 * retentionMs);
  const repeated = await sendOn(field, waiting(repeatedKeys));
  const forgotten = [...repeated.receipts()].filter(([number, id]) => books.idOf(number) !== id).length;
  if (forgotten > 0) wrong.push(`${forgotten} early keys were forgotten while their requests waited`);
  peaks.note(residentsOf(field));
  await field.restart("7d"); // what is finished from here on is to be read back
  const { ms: drainMs, value: left } = await timed(async () => {
    await order(url, "resume");
    return drained(field, total, drainMsMax);
  });
  if (left > 0) wrong.push(`${left} were in the backlog after ${drainMsMax} ms`);
  const replayed = await replayTwice(field, wrong);
  peaks.note(residentsOf(field));
  const { figures, violations } = await field.finish();
  if (figures.dead > 0) violations.push(`${figures.dead} are dead after the replay of all`);
  return {
    trials: total,
    hits: replayed,
    figures,
    areEffectsOnce: true,
    violations: [...wrong, ...violations, ...peaks.violations()],
    notes: [`filled ${perSecond(total, fillMs)}, drained ${perSecond(total, drainMs)}`, peaks.text()],
  };
}

/** The first so many that are to wait: all are due within a second. */
function waiting(requests: number): Profile {
  const bodyOf = (number: number): string =>
    `${number % hopelessEvery === hopelessEvery - 1 ? "hopeless" : "order"} ${number} of those that wait`;
  return { name: "waiting", arrivals: arrivalsOf("peak", { speed: 3_600, requests }), bodyOf };
}

/** Each dead one twice at once, in vain; then all in bulk, with mercy. How often a dead one was set off again. */
async function replayTwice({ urls, folder }: Field, wrong: string[]): Promise<number> {
  const [url] = urls;
  const ids = await listDead(url);
  if (ids.length === 0) wrong.push("nothing was dead, and some are hopeless");
  const statuses: number[] = [];
  for (const id of ids) statuses.push(...(await Promise.all([replay(url, id), replay(url, id)])));
  const taken = statuses.filter((status) => status === 202).length;
  // The second of two at once may come after the first has failed again: then both are replays of a dead one.
  if (taken < ids.length || statuses.some((status) => status !== 202 && status !== 409))
    wrong.push(
      `replays of ${ids.length} dead ones were answered with ${[...new Set(statuses)].join()}, ${taken} taken`,
    );
  const again = await Promise.all(ids.map((id) => outcomeOf(url, id)));
  if (again.some((state) => state !== "dead")) wrong.push(`replayed in vain they became ${[...new Set(again)].join()}`);
  await writeFile(join(folder, "mercy"), "");
  const response = await fetch(`${url}/v1/queues/orders/replay`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ limit: 10_000 }),
  });
  const { replayed } = (await response.json()) as { readonly replayed: number };
  if (replayed !== ids.length) wrong.push(`${replayed} were replayed in bulk, of ${ids.length}`);
  await Promise.all(ids.map((id) => outcomeOf(url, id)));
  return taken + replayed;
}

async function listDead(url: string): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let cursor = ""; ;) {
    const response = await fetch(`${url}/v1/requests?queue=orders&state=dead&limit=500${cursor}`);
    const page = (await response.json()) as {
      readonly requests: readonly { readonly id: string }[];
      readonly nextCursor?: string | null;
    };
    ids.push(...page.requests.map(({ id }) => id));
    if (page.nextCursor === null || page.nextCursor === undefined) return ids;
    cursor = `&cursor=${encodeURIComponent(page.nextCursor)}`;
  }
}

async function outcomeOf(url: string, id: string): Promise<string> {
  const response = await fetch(`${url}/v1/requests/${id}`, { headers: { prefer: "wait=30" } });
  return ((await response.json()) as { readonly state: string }).state;
}

async function replay(url: string, id: string): Promise<number> {
  const response = await fetch(`${url}/v1/requests/${id}/replay`, { method: "POST" });
  await response.arrayBuffer();
  return response.status;
}

async function timed<Value>(work: () => Promise<Value>): Promise<{ readonly ms: number; readonly value: Value }> {
  const startedAt = performance.now();
  const value = await work();
  return { ms: performance.now() - startedAt, value };
}
