// Hands that interrupt: each command is signalled, killed or loses its reader at drawn moments. What it printed is true afterwards,
// and what it wrote is whole, or not there.
import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SluiceClient } from "@sluice/client";
import {
  sluiceCommand,
  startPostgres,
  startRabbitmq,
  startRedis,
  startSluice,
  temporaryFolder,
  type Sluice,
  type TemporaryFolder,
} from "@sluice/testing";
import { starterFiles } from "../../packages/sluice/src/cli/starter-files.ts";
import { findApiKey, parseApiKeys, stateOf } from "../../packages/sluice/src/core/api-key.ts";
import { seededRandom } from "../../packages/sluice/src/core/seeded-random.ts";
import { isFull } from "./effort.ts";

const seed = Number(process.env["SLUICE_SEED"] ?? Date.now() % 1_000_000);
const random = seededRandom(seed, "hands");
const times = isFull ? 15 : 1;
const interruptions = ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL", "closed output"] as const;

interface Ended {
  readonly code: number | null;
  /** Whole lines, and what came after the last. */
  readonly lines: readonly string[];
  readonly stderr: string;
  readonly by: string;
  readonly number: number;
}

interface Command {
  /** Of a run of this number, from 1. */
  readonly args: (number: number) => readonly string[];
  readonly input?: (number: number) => string;
  /** Standard input stays open, so that only the interruption ends the command. */
  readonly isOpen?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

let numbers = 0;
/** What the shortest command takes: the moments are spread over more than any of these does. */
let shortestMs = 0;
before(async () => {
  const startedAt = performance.now();
  await run({ args: () => ["--version"] });
  shortestMs = performance.now() - startedAt;
});

async function* interrupted(command: Command, times: number): AsyncGenerator<Ended> {
  for (let time = 0; time < times; time += 1) {
    const afterMs = ((time + random.next()) / times) * 4 * shortestMs;
    const isLast = command.isOpen === true && time === times - 1; // by then it has read what there is
    yield await run(command, { by: isLast ? "SIGINT" : random.pick(interruptions), afterMs });
  }
}

interface Interruption {
  readonly by: (typeof interruptions)[number];
  readonly afterMs: number;
}

async function run({ args, input, isOpen = false, env }: Command, interruption?: Interruption): Promise<Ended> {
  const number = (numbers += 1);
  const child = spawn(process.execPath, [sluiceCommand, ...args(number)], { env: { ...process.env, ...env } });
  child.stdin.on("error", () => {}); // it may have ended before it read
  child.stdin.write(input?.(number) ?? "");
  if (!isOpen) child.stdin.end();
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
  const ended = Promise.all([once(child, "close"), text(child.stderr)]);
  const { by, afterMs } = interruption ?? { by: "nothing", afterMs: 0 };
  if (by !== "nothing") {
    await Promise.race([sleep(afterMs), ended]);
    if (by === "closed output") child.stdout.destroy();
    else child.kill(by);
    if (by === "closed output" && isOpen) child.kill("SIGTERM"); // it is told of that when it prints
  }
  const [, stderr] = await ended;
  const lines = stdout.split("\n");
  return { code: child.exitCode, lines, stderr, by: `${by} after ${Math.round(afterMs)} ms, seed ${seed}`, number };
}

describe("on one file", { timeout: 1_500_000 }, () => {
  let folder: TemporaryFolder;
  let sluice: Sluice;
  let client: SluiceClient;
  let env: Record<string, string>;
  /** What the target got. It refuses each body that begins with 9 the first time. */
  const bodies = new Set<string>();
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    if (body.startsWith("9") && !bodies.has(body)) response.writeHead(422);
    bodies.add(body);
    response.end("a result");
  };
  const target = createServer((request, response) => void answer(request, response));

  before(async () => {
    folder = await temporaryFolder();
    await once(target.listen(0, "127.0.0.1"), "listening");
    const args = ["--queue", "orders", "--target", `http://127.0.0.1:${(target.address() as AddressInfo).port}/`];
    sluice = await startSluice({ dataFolder: join(folder.path, "data"), args });
    client = new SluiceClient({ url: sluice.url });
    env = { SLUICE_URL: sluice.url };
  });
  after(async () => {
    await sluice[Symbol.asyncDispose]();
    target.close().closeAllConnections();
    await folder[Symbol.asyncDispose]();
  });

  async function died(count: number): Promise<readonly string[]> {
    numbers += 1;
    const items = Array.from({ length: count }, (_, at) => ({ body: Number(`9${numbers}0${at}`) }));
    const ids: string[] = [];
    for await (const { id } of client.submitMany("orders", items)) ids.push(id);
    for (const id of ids) equal((await client.wait(id)).state, "dead");
    return ids;
  }

  test("send takes no part of a line for a line, and each receipt that it prints is one", async () => {
    const count = 600; // more than a batch
    const lineOf = (number: number, at: number): string => String(number * 10_000 + at);
    const cutOf = (number: number): string => lineOf(number, count).slice(0, -1);
    const command: Command = {
      args: () => ["send", "-q", "orders", "--raw-lines", "--json"],
      input: (number) => Array.from({ length: count }, (_, at) => `${lineOf(number, at)}\n`).join("") + cutOf(number),
      isOpen: true,
      env,
    };
    const all: Ended[] = [];
    for await (const ended of interrupted(command, isFull ? 30 : 3)) {
      all.push(ended);
      notEqual(ended.code, 0, `${ended.by}: its input had no end`);
      const ids = ended.lines.slice(0, -1).map((line) => (JSON.parse(line) as { readonly id: string }).id);
      for (const id of ids.filter((_, at) => at % 100 === 0).concat(ids.slice(-1)))
        equal((await client.read(id)).queue, "orders", ended.by);
    }
    while ((await client.queue("orders")).backlog > 0) await sleep(50);
    for (const { number, stderr, lines, by } of all) {
      ok(!bodies.has(cutOf(number)), `${by}: ${cutOf(number)} was accepted, and is the beginning of a line`);
      const told = Number(/"accepted":(\d+)/.exec(stderr)?.[1] ?? lines.length - 1);
      const accepted = Array.from({ length: count }, (_, at) => lineOf(number, at)).filter((line) => bodies.has(line));
      ok(told <= accepted.length, `${by}: ${told} told, ${accepted.length} accepted`);
    }
  });

  test("send prints the id of what it sent, and says on the other ways out how to go on", async () => {
    const command = { args: () => ["send", "-q", "orders", "-"], input: String, env };
    for await (const { code, lines, stderr, by, number } of interrupted(command, times)) {
      const [id = ""] = lines.length > 1 ? lines : (/^accepted as (\S+);/.exec(stderr)?.slice(1) ?? []);
      if (code === 0) ok(id !== "" || by.startsWith("closed"), by);
      if (id !== "") equal(new TextDecoder().decode((await client.body(id)).bytes), String(number), by);
    }
  });

  test("dead replay has replayed what it says", async () => {
    for (const id of await died(times)) {
      for await (const { lines, by } of interrupted({ args: () => ["dead", "replay", id], env }, 1))
        if (lines[0] === `replayed ${id}`) equal((await client.wait(id)).state, "done", by);
    }
    for (let time = 0; time < times; time += 1) {
      await died(3);
      const before = (await client.queue("orders")).counts.dead;
      for await (const { lines, by } of interrupted(
        { args: () => ["dead", "replay", "-q", "orders", "--limit", "3"], env },
        1,
      )) {
        const replayed = Number(/^replayed (\d+) of/.exec(lines[0] ?? "")?.[1] ?? 0);
        const { backlog, counts } = await client.queue("orders");
        ok(
          before - counts.dead >= replayed,
          `${by}: ${replayed} said, ${before} dead before, ${counts.dead} after, ${backlog} to do`,
        );
      }
    }
  });

  test("get, queues and audit print a whole answer, or none", async () => {
    const { id } = await client.submit("orders", 5);
    equal((await client.wait(id)).state, "done");
    for await (const { lines, by } of interrupted({ args: () => ["get", id, "--result", "--wait"], env }, times))
      ok(["", "a result"].includes(lines.join("\n")), by);
    const asking = [["audit"], ["queues", "orders"], ["get", id]];
    for (const args of isFull ? asking : asking.slice(0, 1))
      for await (const { code, lines, by } of interrupted({ args: () => [...args, "--json"], env }, times)) {
        const isWhole = lines.length === 2 && typeof JSON.parse(lines[0] ?? "") === "object";
        ok(isWhole || (lines.join("") === "" && (code !== 0 || by.startsWith("closed"))), `${by}: ${args.join(" ")}`);
      }
  });

  test("keys makes and ends the keys that it names, and its file is whole", async () => {
    const file = join(folder.path, "made", "keys.json");
    const stored = () => {
      rmSync(`${file}.new`, { force: true }); // of one that was killed: the next says what to do
      return existsSync(file) ? parseApiKeys(readFileSync(file, "utf8")) : [];
    };
    const keys = (...args: readonly string[]) => ["keys", ...args, "--keys", file];
    const made: string[] = [];
    const create: Command = { args: (number) => keys("create", "--name", `key-${number}`) };
    for await (const { code, lines, by, number } of interrupted(create, times)) {
      const found = lines.length > 1 ? findApiKey(stored(), lines[0] ?? "") : undefined;
      if (lines.length > 1 || (code === 0 && !by.startsWith("closed"))) equal(found?.name, `key-${number}`, by);
      if (code === 75) ok(!stored().some(({ name }) => name === `key-${number}`), `${by}: nobody has this key`);
      if (found !== undefined) made.push(found.name);
    }
    for (const name of made)
      for await (const { lines, by } of interrupted({ args: () => keys("revoke", name) }, 1)) {
        const [key] = stored().filter((one) => one.name === name);
        if (lines[0]?.startsWith(`revoked ${name}`)) equal(key && stateOf(key, Date.now()), "revoked", by);
      }
  });

  test("init writes all of its files or, unless it is killed, none, and each one is whole", async () => {
    const placeOf = (number: number): string => join(folder.path, `init-${number}`);
    for await (const { code, by, number } of interrupted({ args: (number) => ["init", placeOf(number)] }, times)) {
      const present = Object.entries(starterFiles).filter(([name]) => existsSync(join(placeOf(number), name)));
      for (const [name, content] of present) equal(readFileSync(join(placeOf(number), name), "utf8"), content, by);
      const isAll = present.length === Object.keys(starterFiles).length;
      if (code === 0) ok(isAll, by);
      else if (!by.startsWith("SIGKILL"))
        ok(isAll || !existsSync(placeOf(number)), `${by}: ${present.map(([name]) => name).join(", ")}`);
    }
  });
});

test("migrate has made the schema that it names", { skip: !isFull && "in full only" }, async () => {
  await using postgres = await startPostgres();
  await using rabbitmq = await startRabbitmq();
  await using redis = await startRedis();
  const args = () => ["migrate", "--queue", "orders"];
  for (let time = 0; time < times; time += 1) {
    const databaseUrl = await postgres.createDatabase(`hands_${time}`);
    const env = { DATABASE_URL: databaseUrl, AMQP_URL: rabbitmq.url, REDIS_URL: redis.url };
    for await (const { lines, by } of interrupted({ args, env }, 1)) {
      const [, version] = /^Created the schema, version (\d+)\.$/.exec(lines[0] ?? "") ?? [];
      const again = await run({ args: () => [...args(), "--json"], env });
      equal(again.code, 0, `${by}: ${again.stderr}`);
      const { from, to } = JSON.parse(again.lines[0] ?? "") as { readonly from: number; readonly to: number };
      if (version !== undefined) deepEqual([from, to], [Number(version), Number(version)], by);
    }
  }
});
