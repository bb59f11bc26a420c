// The textbook's worker marks an id as seen before the effect. What it had marked and not stored when it died is delivered
// again, found to be seen, and dropped.
import { fileURLToPath } from "node:url";
import { startChild } from "@sluice/testing";
import type { Child } from "@sluice/testing";
import { Client } from "pg";
import { createClient } from "redis";
import { startNodeProcess } from "../peers/node-process.ts";
import { startTextbookServers } from "../peers/textbook-servers.ts";
import type { TextbookServers } from "../peers/textbook-servers.ts";
import { textbookScript } from "../peers/textbook.ts";
import type { Subject } from "./loss-subject.ts";

export async function putTextbookToLoss(): Promise<Subject> {
  await using resources = new AsyncDisposableStack();
  const servers = resources.use(await startTextbookServers());
  const gateway = resources.use(await startNodeProcess({ script: textbookScript("gateway"), env: servers.env }));
  const books = resources.use(await openBooks(servers));
  const workers: Child[] = [];
  const owned = resources.move();
  return {
    takeIn: (send) => send(`${gateway.url}/requests`),
    async startWorker(killAtClaim) {
      const env = { ...servers.env, TEXTBOOK_CRASH_AT: killAtClaim === undefined ? "" : `claimed:${killAtClaim}` };
      const args = [fileURLToPath(textbookScript("worker"))];
      const worker = await startChild({ command: process.execPath, args, env });
      workers.push(worker);
      return worker;
    },
    progress: () => books.claimed(),
    async isDrained(ids) {
      const [gone, stored] = [droppedBy(workers), await books.stored()];
      return ids.every((id) => stored.has(id) || gone.has(id));
    },
    requestsUrl: () => `${gateway.url}/requests`,
    figures: () => ({ dropped: droppedBy(workers).size }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Delivered again and dropped as seen: those that are lost, and those stored but not yet acknowledged. */
function droppedBy(workers: readonly Child[]): ReadonlySet<string> {
  const output = workers.map((worker) => worker.output()).join("\n");
  return new Set(Array.from(output.matchAll(/^dropped (\S+)$/gm), ([, id = ""]) => id));
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
