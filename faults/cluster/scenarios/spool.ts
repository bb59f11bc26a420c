// PostgreSQL is out, and both gateways go on taking requests, each on a disk of its own. They die meanwhile, or at each
// step on which the spool goes into the ledger.
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { perSecond } from "../../field.ts";
import type { LedgerLine } from "../../ledger.ts";
import { parcelOf, parcelSource, type Parcel } from "../../parcel.ts";
import type { Played } from "../../scenario.ts";
import { Sender } from "../../sender.ts";
import type { Random } from "../../../packages/sluice/src/core/seeded-random.ts";
import {
  underLoad,
  type ClusterPlayOptions,
  type ClusterScenario,
  type Fault,
  type Field,
} from "../cluster-scenario.ts";
import { ClusterStage } from "../cluster-stage.ts";
import type { Member } from "../member.ts";
import { whenClear, whenShown, whenTrue } from "../observe.ts";

const spoolKills = (["page-forwarded", "spool-drained", "spool-emptying", "spool-emptied"] as const).map(
  (point): ClusterScenario => ({
    name: `kill-${point}`,
    numbers: "16",
    fault: `PostgreSQL killed, and the gateways, which spool, killed at ${point} when it is back`,
    isKill: true,
    play: (options) => playKills(point, options),
  }),
);

export const spool: readonly ClusterScenario[] = [
  {
    name: "spool-outage",
    numbers: "16",
    fault: "PostgreSQL out while both gateways spool, and each is killed at any moment meanwhile",
    isKill: true,
    play: playOutages,
  },
  ...spoolKills,
];

const requestsFull = 200_000;
/** Of each gateway a page of its spool. */
const requestsUsual = 2_000;
const shownMsMax = 10_000;
const clearMsMax = 60_000;
const drainMsMax = 600_000;
const hitMsMax = 120_000;
const lookAgainMs = 20;
/** Accepted before each outage and after it. */
const calmRequests = 50;
/** Of a great run so many results are read back. */
const resultsFull = 20_000;
/** One in so many has its key and body in common with one that goes to the other gateway. */
const sharedOneIn = 10;

/** Requests of one gateway, and some that both gateways get. */
function parcelsFor(name: string, random: Random): () => Parcel {
  const own = parcelSource(name, random);
  let count = 0;
  return () => {
    count += 1;
    const shared = `both-${count}`;
    return count % sharedOneIn === 0 ? parcelOf(shared, Buffer.from(shared)) : own();
  };
}

/** A gateway with those who send to it, and nowhere else. */
interface Intake {
  /** What the keys of its own begin with. */
  readonly name: string;
  readonly url: string;
  readonly sender: Sender;
  readonly gateway: Member;
}

interface Ground extends ClusterPlayOptions {
  readonly stage: ClusterStage;
  readonly intakes: readonly Intake[];
  readonly requests: number;
  readonly wrong: string[];
}

async function playOutages(options: ClusterPlayOptions): Promise<Played> {
  const { servers, logFolder, random, rounds, isFull } = options;
  const outages = isFull ? 1 : rounds;
  const requests = isFull ? requestsFull : requestsUsual;
  // One delivery at a time shows the order of all; of a great run that takes too long.
  const workers = isFull ? {} : { workers: 1, workerArgs: ["--queue", "orders", "--concurrency", "1"] };
  await using stage = await ClusterStage.open({
    ...workers,
    servers,
    logFolder,
    mode: "honours-key",
    isSpooling: true,
  });
  const intakes = stage.urls.map((url, place): Intake => {
    const name = `gateway-${place + 1}`;
    const sender = new Sender(stage.ledger, parcelsFor(name, random));
    return { name, url, sender, gateway: stage.gateways[place] as Member };
  });
  await using loads = new AsyncDisposableStack();
  for (const { sender, url } of intakes)
    loads.use(stage.load(sender, { url, restMs: isFull ? 0 : 10, concurrency: isFull ? 32 : 8 }));
  const wrong: string[] = [];
  const ground = { ...options, stage, intakes, requests, wrong };
  const spans: (readonly LedgerLine[])[] = [];
  const notes: string[] = [];
  for (let round = 0; round < outages; round += 1) {
    const { lines, note } = await outage(ground);
    spans.push(lines);
    notes.push(note);
  }
  await loads.disposeAsync();
  const senders = intakes.map(({ sender }) => sender);
  for (const { ids } of senders) await stage.sampleResults(ids);
  if ((await whenTrue(() => isWorkedOff(stage.urls[0]), drainMsMax)) === undefined) wrong.push("a backlog stays");
  const { figures, violations } = await stage.finish(senders, isFull ? { resultsMax: resultsFull } : {});
  const orders = {
    ledger: await ranksInLedger(stage.databaseUrl),
    ...(!isFull && { deliveries: ranksIn(stage.log("starts")) }),
  };
  for (const [what, ranks] of Object.entries(orders)) {
    const ofEach = intakes.map(({ name }) => spans.map((lines) => orderOf(lines, name, ranks)));
    const [ordered, overtaken] = [sumOf(ofEach, "ordered"), sumOf(ofEach, "overtaken")];
    notes.push(`${ordered} in the order of acceptance in the ${what}, ${overtaken} not`);
    if (overtaken > 0) wrong.push(`${overtaken} requests were overtaken in the ${what} by one accepted later`);
  }
  const twice = keysGivenTwice(stage.ledger.lines);
  notes.push(`${twice} keys had a receipt of either gateway, with an id of its own`);
  if (twice === 0) wrong.push("no key came to both spools");
  return {
    trials: outages * intakes.length,
    hits: stage.kills,
    figures,
    areEffectsOnce: true,
    violations: [...wrong, ...violations],
    notes,
  };
}

/** The client's lines from when both spooled until new ones went to PostgreSQL again, and what was measured. */
async function outage({ stage, intakes, servers, random, isFull, requests, wrong }: Ground): Promise<Outage> {
  await acceptedMore(intakes, calmRequests);
  await servers.postgres.kill();
  wrong.push(...(await whenShown(stage.urls, { codes: ["spooling"], status: 200, msMax: shownMsMax })));
  const from = stage.ledger.lines.length;
  const startedAt = performance.now();
  const share = requests / intakes.length;
  const before = intakes.map(({ sender }) => sender.ids.length);
  await Promise.all(
    intakes.map(async ({ sender, gateway }) => {
      const early = random.between(1, share - 1);
      await sender.acceptedMore(early);
      const ended = new Promise<void>((resolve) => gateway.onEnd(resolve));
      gateway.kill("SIGKILL");
      await ended;
      await gateway.ready();
      await sender.acceptedMore(share - early);
    }),
  );
  wrong.push(...(await whenShown(stage.urls, { codes: ["spooling"], status: 200, msMax: shownMsMax })));
  const outMs = performance.now() - startedAt;
  let spooled = 0;
  for (const [place, { name, url, sender }] of intakes.entries()) {
    const receipts = sender.ids.length - (before[place] as number);
    const held = (await spoolOf(url)).requests;
    if (held < receipts) wrong.push(`${name} gave ${receipts} receipts of its spool, which holds ${held}`);
    spooled += receipts;
  }
  await servers.postgres.up();
  const { ms, forwarded, looks } = await forwardedAll(stage.urls, wrong);
  wrong.push(...(await whenClear(stage.urls, clearMsMax)));
  await acceptedMore(intakes, calmRequests);
  const lines = stage.ledger.lines.slice(from);
  if (isFull && looks === 0) wrong.push("no look showed the law with spooled ones");
  const out = `${spooled} accepted in ${seconds(outMs)} while PostgreSQL was out`;
  const back = `${forwarded} forwarded in ${seconds(ms)} from when it was back, ${perSecond(forwarded, ms)}`;
  return { lines, note: `${out}; ${back}; the law looked at ${looks} times meanwhile` };
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

interface Outage {
  readonly lines: readonly LedgerLine[];
  readonly note: string;
}

async function acceptedMore(intakes: readonly Intake[], count: number): Promise<void> {
  await Promise.all(intakes.map(({ sender }) => sender.acceptedMore(count)));
}

/** Resolves once no spool holds anything. The law must hold in every look that shows a spooled one. */
async function forwardedAll(
  urls: readonly string[],
  wrong: string[],
): Promise<{ readonly ms: number; readonly forwarded: number; readonly looks: number }> {
  const startedAt = performance.now();
  let looks = 0;
  for (;;) {
    for (const url of urls) {
      const response = await fetch(`${url}/v1/queues/orders`);
      const { accepted, counts, spooled } = (await response.json()) as QueueSeen;
      if (response.status !== 200) continue;
      const sum = Object.values(counts).reduce((total, count) => total + count, spooled ?? 0);
      if (sum !== accepted) wrong.push(`${url} counts ${accepted} accepted, and ${sum} with ${spooled} spooled`);
      if (spooled !== undefined && spooled > 0) looks += 1;
    }
    const spools = await Promise.all(urls.map(spoolOf));
    const ms = performance.now() - startedAt;
    if (spools.every(({ requests }) => requests === 0))
      return { ms, forwarded: spools.reduce((sum, { forwarded }) => sum + forwarded, 0), looks };
    if (ms > drainMsMax) throw new Error(`after ${drainMsMax} ms the spools hold ${JSON.stringify(spools)}`);
    await delay(lookAgainMs);
  }
}

interface QueueSeen {
  readonly accepted: number;
  readonly backlog: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly spooled?: number;
}

async function isWorkedOff(url: string): Promise<boolean> {
  return ((await (await fetch(`${url}/v1/queues/orders`)).json()) as QueueSeen).backlog === 0;
}

/** As the gateway's metrics tell: what is forwarded since this life began. */
async function spoolOf(url: string): Promise<{ readonly requests: number; readonly forwarded: number }> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const read = (name: string): number => Number(new RegExp(`^${name}(?:{.*})? (\\d+)`, "m").exec(text)?.[1]);
  return { requests: read("sluice_spool_requests"), forwarded: read("sluice_spool_forwarded_total") };
}

/** Without a request a gateway has nothing to forward. */
async function haveAll(urls: readonly string[]): Promise<boolean> {
  return (await Promise.all(urls.map(spoolOf))).every(({ requests }) => requests > 0);
}

function keysGivenTwice(lines: readonly LedgerLine[]): number {
  const accepted = Map.groupBy(
    lines.filter((line) => line.kind === "accepted"),
    ({ key }) => key,
  );
  return [...accepted.values()].filter((own) => new Set(own.map(({ id }) => id)).size > 1).length;
}

/** By the transactions that stored them: those of a spool follow one another. Within a page the ids do. */
async function ranksInLedger(databaseUrl: string): Promise<ReadonlyMap<string, number>> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return ranksIn((await client.query("SELECT id FROM sluice.requests ORDER BY xmin::text::bigint, id")).rows);
  } finally {
    await client.end();
  }
}

/** The place of each, where it is the first time. */
function ranksIn(rows: readonly { readonly id: string }[]): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  for (const { id } of rows) if (!ranks.has(id)) ranks.set(id, ranks.size);
  return ranks;
}

interface Order {
  readonly ordered: number;
  readonly overtaken: number;
}

/** Of those sent to one gateway alone: one that had its receipt before another was sent must come before it. */
function orderOf(lines: readonly LedgerLine[], name: string, ranks: ReadonlyMap<string, number>): Order {
  let [highest, ordered, overtaken] = [-1, 0, 0];
  const leasts = new Map<string, number>();
  for (const line of lines) {
    if (line.kind === "result" || !line.key.startsWith(name)) continue;
    if (line.kind === "sent" && !leasts.has(line.key)) leasts.set(line.key, highest);
    const least = leasts.get(line.key);
    const rank = line.kind === "accepted" ? ranks.get(line.id) : undefined;
    if (rank === undefined || least === undefined) continue;
    if (rank > least) ordered += 1;
    else overtaken += 1;
    highest = Math.max(highest, rank);
  }
  return { ordered, overtaken };
}

function sumOf(all: readonly (readonly Order[])[], name: keyof Order): number {
  return all.flat().reduce((sum, order) => sum + order[name], 0);
}

/** In each round both gateways start again with the point ahead, while PostgreSQL is out, and reach it when it is back. */
async function playKills(point: string, options: ClusterPlayOptions): Promise<Played> {
  let isArmed = false;
  const crashAt = (role: string): string | undefined => (role === "gateway" && isArmed ? point : undefined);
  const stage = { isSpooling: true, crashAt } as const;
  const setting = { name: point, mode: "honours-key", restMs: 5, stage } as const;
  return underLoad(
    options,
    setting,
    async ({ stage, servers, sender, random, rounds, wrong }: Field): Promise<Fault> => {
      const { gateways, urls } = stage;
      for (let round = 0; round < rounds; round += 1) {
        await sender.acceptedMore(calmRequests);
        await servers.postgres.kill();
        wrong.push(...(await whenShown(urls, { codes: ["spooling"], status: 200, msMax: shownMsMax })));
        isArmed = true;
        await Promise.all(gateways.map((gateway) => gateway.restart()));
        isArmed = false;
        await sender.acceptedMore(random.between(200, requestsUsual)); // of a page, or of more than one
        if ((await whenTrue(() => haveAll(urls), hitMsMax)) === undefined) wrong.push("a spool stays empty");
        await servers.postgres.up();
        const kills = gateways.length * (round + 1);
        if (!(await stage.killsReach(kills, hitMsMax))) wrong.push(`killed ${stage.kills} times, not ${kills}`);
        for (const gateway of gateways) await gateway.ready();
        wrong.push(...(await whenClear(urls, clearMsMax)));
      }
      return { trials: rounds * gateways.length, hits: stage.kills };
    },
  );
}
