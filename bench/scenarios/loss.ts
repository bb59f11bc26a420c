// What the textbook loses: its worker is killed again and again, every other time right after it marked an id as seen,
// else at a random moment. What it had marked and not stored is delivered again, found to be seen, and dropped.
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startChild } from "@sluice/testing";
import type { Child } from "@sluice/testing";
import { Client } from "pg";
import { createClient } from "redis";
import { Pool } from "undici";
import { body } from "../body.ts";
import { startNodeProcess } from "../peers/node-process.ts";
import { startTextbookServers } from "../peers/textbook-servers.ts";
import type { TextbookServers } from "../peers/textbook-servers.ts";
import { textbookScript } from "../peers/textbook.ts";

export interface LossOptions {
  readonly requests: number;
  readonly kills: number;
}

export interface Loss {
  /** Answered with 202. */
  readonly accepted: number;
  readonly kills: number;
  /** Those whose result is stored. */
  readonly stored: number;
  readonly lost: number;
  /** Delivered again and dropped as seen: those that are lost, and those stored but not yet acknowledged. */
  readonly dropped: number;
}

const sentAtOnce = 128;
const randomMomentMsMax = 150;
const hitWithinMs = 30_000;

export async function loseWithTextbook({ requests, kills }: LossOptions): Promise<Loss> {
  await using servers = await startTextbookServers();
  await using gateway = await startNodeProcess({ script: textbookScript("gateway"), env: servers.env });
  await using books = await openBooks(servers);
  const accepted = await send(gateway.url, requests);
  const outputs: string[] = [];
  for (let kill = 1; kill <= kills; kill += 1) {
    const before = await books.claimed();
    const worker =
      kill % 2 === 1
        ? await killAtClaim(servers, randomInt(1, Math.floor(requests / kills)))
        : await killAtRandom(servers, async () => (await books.claimed()) > before);
    outputs.push(worker.output());
    const after = await books.claimed();
    if ((await worker.exited).signal !== "SIGKILL" || after === before || after >= accepted.length)
      throw new Error(`kill ${kill} never hit: ${before} were claimed before, ${after} of ${accepted.length} after`);
  }
  const dropped = await drain(servers, { books, accepted, outputs });
  const stored = await books.stored();
  const lost = accepted.filter((id) => !stored.has(id)).length;
  return { accepted: accepted.length, kills, stored: stored.size, lost, dropped: dropped.size };
}

async function send(gatewayUrl: string, requests: number): Promise<readonly string[]> {
  const pool = new Pool(gatewayUrl, { connections: sentAtOnce });
  const headers = { "content-type": "application/json" };
  const ids: string[] = [];
  let left = requests;
  const sendMany = async (): Promise<void> => {
    for (; left > 0;) {
      left -= 1;
      const answer = await pool.request({ method: "POST", path: "/requests", headers, body });
      if (answer.statusCode !== 202) throw new Error(`POST /requests answered ${answer.statusCode}`);
      ids.push(((await answer.body.json()) as { readonly id: string }).id);
    }
  };
  await Promise.all(Array.from({ length: sentAtOnce }, sendMany));
  await pool.close();
  return ids;
}

/** The worker kills itself after its nth mark. If it never comes that far it is stopped, which is no hit. */
async function killAtClaim(servers: TextbookServers, nth: number): Promise<Child> {
  const worker = await startWorker({ ...servers.env, TEXTBOOK_CRASH_AT: `claimed:${nth}` });
  const timer = setTimeout(() => worker.kill("SIGTERM"), hitWithinMs);
  await worker.exited;
  clearTimeout(timer);
  return worker;
}

async function killAtRandom(servers: TextbookServers, isClaiming: () => Promise<boolean>): Promise<Child> {
  const worker = await startWorker(servers.env);
  await until(isClaiming, { everyMs: 5, withinMs: hitWithinMs, what: "the worker claims nothing" });
  await sleep(randomInt(randomMomentMsMax));
  worker.kill("SIGKILL");
  await worker.exited;
  return worker;
}

interface Draining {
  readonly books: Books;
  readonly accepted: readonly string[];
  /** What the killed workers printed. */
  readonly outputs: readonly string[];
}

/** Lets a last worker finish. Every request is stored or was dropped as seen then; anything else fails the run. */
async function drain(servers: TextbookServers, { books, accepted, outputs }: Draining): Promise<ReadonlySet<string>> {
  await using worker = await startWorker(servers.env);
  const dropped = (): Set<string> => droppedIn([...outputs, worker.output()].join("\n"));
  const isDrained = async (): Promise<boolean> => {
    const [gone, stored] = [dropped(), await books.stored()];
    return accepted.every((id) => stored.has(id) || gone.has(id));
  };
  const what = "some requests were neither stored nor dropped as seen";
  await until(isDrained, { everyMs: 250, withinMs: 120_000, what });
  return dropped();
}

function droppedIn(output: string): Set<string> {
  return new Set(Array.from(output.matchAll(/^dropped (\S+)$/gm), ([, id = ""]) => id));
}

function startWorker(env: Readonly<Record<string, string>>): Promise<Child> {
  return startChild({ command: process.execPath, args: [fileURLToPath(textbookScript("worker"))], env });
}

interface Patience {
  readonly everyMs: number;
  readonly withinMs: number;
  readonly what: string;
}

async function until(isSo: () => Promise<boolean>, { everyMs, withinMs, what }: Patience): Promise<void> {
  const giveUpAt = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > giveUpAt) throw new Error(`${what}, after ${withinMs} ms`);
    await sleep(everyMs);
  }
}

interface Books extends AsyncDisposable {
  /** How many ids are marked as seen. */
  claimed(): Promise<number>;
  /** The ids that have a result. */
  stored(): Promise<ReadonlySet<string>>;
}

async function openBooks({ databaseUrl, redisUrl }: TextbookServers): Promise<Books> {
  const database = new Client({ connectionString: databaseUrl });
  await database.connect();
  const redis = createClient({ url: redisUrl });
  redis.on("error", (error) => console.error(error));
  await redis.connect();
  return {
    claimed: () => redis.dbSize(),
    async stored() {
      const { rows } = await database.query<{ id: string }>("SELECT id FROM results");
      return new Set(rows.map(({ id }) => id));
    },
    async [Symbol.asyncDispose]() {
      await redis.close();
      await database.end();
    },
  };
}
