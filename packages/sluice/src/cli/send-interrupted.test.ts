// An end by a signal, an error or a closed output is no end of the input: nothing that it cut off is sent.
import assert from "node:assert/strict";
import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { sluiceCommand } from "@sluice/testing";
import {
  batchAnswer,
  openScriptedGateway,
  receiptOf,
  type ScriptedGateway,
} from "../../../client/test/scripted-gateway.ts";
import { runSluice, type Ended } from "../../test/run-sluice.ts";

/** Several batches, and a part of one: once the first has arrived, all of it has been read. */
const wholeLines = Array.from({ length: 2_600 }, (_, at) => `${at}\n`).join("");
const cutLine = "98765"; // of 987654

function send(gateway: ScriptedGateway, stdio: StdioOptions, ...args: readonly string[]): ChildProcess {
  const env = { ...process.env, SLUICE_URL: gateway.url };
  return spawn(process.execPath, [sluiceCommand, "send", "-q", "orders", ...args], { env, stdio });
}

/** Keys could hold its digits, too. */
function assertNotSent({ seen }: ScriptedGateway): void {
  for (const { body } of seen) assert.doesNotMatch(body.toString(), new RegExp(`("body":|^)${cutLine}`));
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  test(`${signal} sends the whole lines that were read, not the one that it cut off, and ends with 75`, async () => {
    await using gateway = await openScriptedGateway((seen) => batchAnswer(seen));
    const { exitCode, stderr } = await runSluice({
      args: ["send", "-q", "orders", "--raw-lines"],
      url: gateway.url,
      during: async (child) => {
        child.stdin.write(wholeLines + cutLine);
        await gateway.arrival(1);
        child.kill(signal);
      },
    });
    assert.equal(exitCode, 75);
    assert.match(stderr, /^sluice: interrupted\naccepted at least 2,600, in .*run the command again with --key /);
    assertNotSent(gateway);
  });
}

for (const [what, args] of [
  ["a line", ["--raw-lines"]],
  ["a body", []],
] as const) {
  test(`Ctrl-C that ends the pipe's writer first sends no part of ${what}`, async () => {
    await using gateway = await openScriptedGateway((seen) => batchAnswer(seen));
    const { exitCode, stdout } = await runSluice({
      args: ["send", "-q", "orders", ...args],
      url: gateway.url,
      during: async ({ stdin, kill }) => {
        const more = `"${"0".repeat(300_000)}"\n`; // more than a pipe holds: once it is written, it is being read
        await new Promise((resolve) => stdin.write(more, resolve));
        await new Promise((resolve) => stdin.end(cutLine, () => resolve(undefined)));
        kill("SIGINT");
      },
    });
    assert.deepEqual([exitCode, stdout], [75, ""]);
    if (args.length === 0) assert.equal(gateway.seen.length, 0);
    assertNotSent(gateway);
  });
}

test("a read error sends the whole lines before it, not the one that it cut off, and ends with 75", async () => {
  await using gateway = await openScriptedGateway((seen) => batchAnswer(seen));
  const [near, far] = await socketPair();
  const child = send(gateway, [near, "pipe", "pipe"], "--raw-lines");
  const ended = endOf(child);
  near.destroy(); // the child has its own
  far.write(wholeLines + cutLine);
  await gateway.arrival(1);
  far.resetAndDestroy();
  const { exitCode, stderr } = await ended;
  assert.equal(exitCode, 75);
  assert.match(
    stderr,
    /^sluice: cannot read standard input to its end: connection reset by peer\naccepted at least 2,600/,
  );
  assertNotSent(gateway);
});

test("a closed standard output ends with 75, and tells how to go on", async () => {
  await using gateway = await openScriptedGateway((seen) => batchAnswer(seen));
  const child = send(gateway, "pipe", "--raw-lines", "--json");
  child.stdin?.write(wholeLines + cutLine);
  child.stdout?.destroy();
  const { exitCode, stderr } = await endOf(child);
  assert.equal(exitCode, 75);
  const { error } = JSON.parse(stderr) as { error: Record<string, unknown> };
  assert.deepEqual([error["code"], typeof error["run"]], ["interrupted", "string"]);
  assertNotSent(gateway);
});

test("an id that cannot be printed is told on standard error", async () => {
  await using gateway = await openScriptedGateway(() => ({ status: 202, body: receiptOf("id-1") }));
  const child = send(gateway, "pipe", "-");
  child.stdout?.destroy();
  child.stdin?.end("1");
  const { exitCode, stderr } = await endOf(child);
  assert.deepEqual(
    [exitCode, stderr],
    [75, "accepted as id-1; go on with: sluice get id-1 --result --wait\nsluice: standard output is closed\n"],
  );
});

test("an interrupted wait tells the id; an interrupted call, the key under which it may have been accepted", async () => {
  await using gateway = await openScriptedGateway(({ method }, nth) => {
    if (nth === 3) return "hang";
    return method === "POST" ? { status: 202, body: receiptOf("id-1") } : "hang";
  });
  const interrupted = (nth: number, ...args: readonly string[]) =>
    runSluice({
      args: ["send", "-q", "orders", ...args],
      url: gateway.url,
      during: async (child) => {
        child.stdin.end("1");
        await gateway.arrival(nth);
        child.kill("SIGINT");
      },
    });
  const waiting = await interrupted(2, "--wait");
  assert.deepEqual([waiting.exitCode, waiting.stdout], [75, ""]);
  assert.match(waiting.stderr, /^accepted as id-1; go on with: .*\nsluice: interrupted\n$/);
  const calling = await interrupted(3);
  assert.deepEqual([calling.exitCode, calling.stdout], [75, ""]);
  const key = String(gateway.seen[2]?.headers["idempotency-key"]);
  assert.match(calling.stderr, new RegExp(`^sluice: interrupted: it may have been accepted; .* add --key ${key}\n$`));
});

test("an input without a request is refused, unless --allow-empty says that it is right", async () => {
  await using gateway = await openScriptedGateway(() => ({ status: 202, body: receiptOf("id-1") }));
  const sent = async (...args: readonly string[]): Promise<readonly [number | null, string]> => {
    const { exitCode, stdout } = await runSluice({
      args: ["send", "-q", "orders", ...args],
      url: gateway.url,
      input: "",
    });
    return [exitCode, stdout];
  };
  assert.deepEqual(await sent(), [64, ""]);
  assert.deepEqual(await sent("--ndjson"), [64, ""]);
  assert.equal(gateway.seen.length, 0);
  assert.deepEqual(await sent("--allow-empty"), [0, "id-1\n"]);
  assert.deepEqual(await sent("--raw-lines", "--allow-empty"), [0, ""]);
  assert.deepEqual(
    gateway.seen.map(({ body }) => body.length),
    [0],
  );
});

async function endOf(child: ChildProcess): Promise<Pick<Ended, "exitCode" | "stderr">> {
  const [stderr] = await Promise.all([text(child.stderr as Readable), once(child, "close")]);
  return { exitCode: child.exitCode, stderr };
}

/** Two ends of one connection: unlike a pipe's, a reader's end can fail. */
async function socketPair(): Promise<readonly [near: Socket, far: Socket]> {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const near = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [[far]] = await Promise.all([once(server, "connection"), once(near, "connect")]);
  server.close();
  return [near, (far as Socket).resume()];
}
