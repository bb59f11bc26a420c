import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { freePort, temporaryFolder } from "@sluice/testing";
import {
  batchAnswer,
  openScriptedGateway,
  problem,
  receiptOf,
  requestOf,
  type Scripted,
  type ScriptedGateway,
} from "../../../client/test/scripted-gateway.ts";
import { runSluice } from "../../test/run-sluice.ts";

const accepted: Scripted = { status: 202, body: receiptOf("id-1") };

function linesSeen(gateway: ScriptedGateway): { readonly key: string; readonly body: unknown }[] {
  const lines = gateway.seen.flatMap(({ body }) => body.toString().split("\n"));
  return lines.map((line) => JSON.parse(line) as { key: string; body: unknown });
}

test("send prints the id of what was accepted, and nothing else", async () => {
  await using gateway = await openScriptedGateway(() => accepted);
  const { exitCode, stdout, stderr } = await runSluice({
    args: ["send", "--queue", "orders", "--key", "k-1", "-"],
    url: gateway.url,
    input: '{"sku": 7}\n',
  });
  assert.deepEqual([exitCode, stdout, stderr], [0, "id-1\n", ""]);
  const [seen] = gateway.seen;
  assert.equal(seen?.body.toString(), '{"sku": 7}\n');
  assert.deepEqual([seen?.headers["content-type"], seen?.headers["idempotency-key"]], ["application/json", "k-1"]);
});

test("--not-before and --expires go with a request, and with each batch of many", async () => {
  await using gateway = await openScriptedGateway((seen) =>
    seen.path.endsWith("/batches") ? batchAnswer(seen) : accepted,
  );
  const times = ["--not-before", "2h", "--expires", "2026-12-24T18:00:00Z"];
  await Promise.all([
    runSluice({ args: ["send", "-q", "orders", ...times], url: gateway.url, input: "1" }),
    runSluice({ args: ["send", "-q", "orders", "--raw-lines", ...times], url: gateway.url, input: "1\n2\n" }),
  ]);
  assert.deepEqual(
    gateway.seen.map(({ headers }) => [headers["sluice-not-before"], headers["sluice-expires"]]),
    [
      ["2h", "2026-12-24T18:00:00Z"],
      ["2h", "2026-12-24T18:00:00Z"],
    ],
  );
});

test("a body's type comes from the flag, the file's extension, or the body", async () => {
  await using folder = await temporaryFolder();
  await using gateway = await openScriptedGateway(() => accepted);
  const file = join(folder.path, "order.XML");
  await writeFile(file, "<a/>");
  const send = (args: readonly string[], input?: string | Uint8Array) =>
    runSluice({ args: ["send", "-q", "orders", ...args], url: gateway.url, ...(input !== undefined && { input }) });
  await send([file]);
  await send([file, "--content-type", "text/xml"]);
  await send([], "[1]");
  await send([], new Uint8Array([0xff, 0x00]));
  assert.deepEqual(
    gateway.seen.map(({ headers }) => headers["content-type"]),
    ["application/xml", "text/xml", "application/json", "application/octet-stream"],
  );
});

test("send --json prints the receipt with its key", async () => {
  await using gateway = await openScriptedGateway(() => accepted);
  const { stdout } = await runSluice({
    args: ["send", "-q", "orders", "-k", "k-1", "--json"],
    url: gateway.url,
    input: "1",
  });
  assert.deepEqual(JSON.parse(stdout), { ...receiptOf("id-1"), key: "k-1", replayed: false });
});

function lifeOf(outcome: "done" | "dead"): (seen: { readonly method: string; readonly path: string }) => Scripted {
  return ({ method, path }) => {
    if (method === "POST") return accepted;
    if (path === "/v1/requests/id-1") return { status: 200, body: requestOf("id-1", { state: outcome }) };
    if (outcome === "dead") return problem(409, "dead", { error: { code: "rejected", message: "no" } });
    return { status: 200, headers: { "content-type": "text/plain" }, body: "the result" };
  };
}

test("send --wait prints the result's bytes", async () => {
  await using gateway = await openScriptedGateway(lifeOf("done"));
  const { exitCode, stdout } = await runSluice({ args: ["send", "-q", "orders", "-w"], url: gateway.url, input: "1" });
  assert.deepEqual([exitCode, stdout], [0, "the result"]);
});

test("send --wait ends with 1 when the request is dead", async () => {
  await using gateway = await openScriptedGateway(lifeOf("dead"));
  const { exitCode, stdout } = await runSluice({ args: ["send", "-q", "orders", "-w"], url: gateway.url, input: "1" });
  assert.deepEqual([exitCode, stdout], [1, ""]);
});

test("send --wait names the id when the wait ends before the outcome", async () => {
  await using gateway = await openScriptedGateway(({ method }) =>
    method === "POST" ? accepted : { status: 200, body: requestOf("id-1") },
  );
  const { exitCode, stderr } = await runSluice({
    args: ["send", "-q", "orders", "--wait=10ms"],
    url: gateway.url,
    input: "1",
  });
  assert.equal(exitCode, 75);
  assert.match(stderr, /accepted as id-1; go on with: sluice get id-1 --result --wait/);
});

test("a file of NDJSON is sent line by line, its text untouched, with the keys it has", async () => {
  await using folder = await temporaryFolder();
  await using gateway = await openScriptedGateway((seen) => batchAnswer(seen));
  const file = join(folder.path, "orders.ndjson");
  await writeFile(file, '\uFEFF{"key":"a","body":12345678901234567890}\r\n\n{"body":{"text":"\u2028"}}');
  const { exitCode, stdout, stderr } = await runSluice({ args: ["send", "-q", "orders", file], url: gateway.url });
  assert.deepEqual([exitCode, stdout], [0, ""]);
  assert.match(stderr, /^accepted 2, in /);
  const lines = gateway.seen[0]?.body.toString().split("\n");
  assert.equal(lines?.[0], '{"key":"a","body":12345678901234567890}');
  assert.match(lines?.[1] ?? "", /^\{"key":"[0-9a-f]{32}","body":\{"text":"\u2028"\}\}$/);
});

test("the same file sent again has the same keys; a changed line, another name and other input do not", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "orders.jsonl");
  const keysOf = async (lines: string, args: readonly string[]): Promise<string[]> => {
    await writeFile(file, lines);
    await using gateway = await openScriptedGateway((seen) => batchAnswer(seen));
    const { stderr } = await runSluice({
      args: ["send", "-q", "orders", "--raw-lines", ...args],
      url: gateway.url,
      input: lines,
    });
    assert.match(stderr, /^accepted /);
    return linesSeen(gateway).map(({ key }) => key);
  };
  const [one, two] = await keysOf("1\n1\n", [file]);
  assert.notEqual(one, two);
  assert.deepEqual(await keysOf("1\n1\n3\n", [file]).then((keys) => keys.slice(0, 2)), [one, two]);
  assert.deepEqual(await keysOf("1\n2\n", [file]).then((keys) => keys.map((key) => key === one || key === two)), [
    true,
    false,
  ]);
  const named = await keysOf("1\n", [file, "--key", "monday"]);
  assert.notEqual(named[0], one);
  assert.deepEqual(await keysOf("1\n", ["-", "--key", "monday"]), named);
  assert.notDeepEqual(await keysOf("1\n", ["-"]), await keysOf("1\n", ["-"]));
});

test("many lines go in several batches, and --json prints a receipt for each in order", async () => {
  await using gateway = await openScriptedGateway((seen) => batchAnswer(seen, Number(linesOf(seen.body)[0]?.body)));
  const input = Array.from({ length: 1_200 }, (_, at) => at + 1).join("\n");
  const { exitCode, stdout } = await runSluice({
    args: ["send", "-q", "orders", "--raw-lines", "--json"],
    url: gateway.url,
    input,
  });
  assert.equal(exitCode, 0);
  assert.ok(gateway.seen.length >= 3);
  const ids = stdout
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { id: string }).id);
  assert.deepEqual(
    ids,
    Array.from({ length: 1_200 }, (_, at) => `id-${at + 1}`),
  );
});

function linesOf(body: Buffer): { readonly body: unknown }[] {
  return body
    .toString()
    .split("\n")
    .map((line) => JSON.parse(line) as { body: unknown });
}

test("a line that does not parse is named; the lines before it are sent", async () => {
  await using gateway = await openScriptedGateway((seen) => batchAnswer(seen));
  const { exitCode, stderr } = await runSluice({
    args: ["send", "-q", "orders", "--ndjson", "--key", "monday"],
    url: gateway.url,
    input: '{"body":1}\n\n{"body":2\n',
  });
  assert.equal(exitCode, 1);
  assert.match(stderr, /^sluice: line 3: is not JSON: .*\naccepted at least 1, in .*run the command again as it is/);
  assert.equal(linesSeen(gateway).length, 1);
});

test("a line that is a bare body is pointed to --raw-lines", async () => {
  await using gateway = await openScriptedGateway((seen) => batchAnswer(seen));
  const { exitCode, stderr } = await runSluice({
    args: ["send", "-q", "orders", "--ndjson"],
    url: gateway.url,
    input: '{"sku":1}\n',
  });
  assert.equal(exitCode, 1);
  assert.match(stderr, /line 1: .*if each line is itself a body, add --raw-lines/);
  assert.equal(gateway.seen.length, 0);
});

test("a line that the server refuses is named by its number in the input", async () => {
  await using gateway = await openScriptedGateway((seen, nth) =>
    nth === 1 ? batchAnswer(seen) : problem(422, "key-reused", { line: 2, detail: "line 2: the key came before" }),
  );
  const input = Array.from({ length: 600 }, (_, at) => `${at + 1}\n\n`).join("");
  const { exitCode, stderr } = await runSluice({
    args: ["send", "-q", "orders", "--raw-lines", "--json"],
    url: gateway.url,
    input,
  });
  assert.equal(exitCode, 1);
  const { error } = JSON.parse(stderr) as { error: Record<string, unknown> };
  assert.deepEqual([error["code"], error["line"], error["accepted"]], ["key-reused", 1_003, 500]);
  assert.match(String(error["message"]), /^line 1003: the key came before/);
});

test("an unreachable server ends with 69 and says how to go on with standard input", async () => {
  const { exitCode, stderr } = await runSluice({
    args: ["send", "-q", "orders", "--raw-lines", "--retry-for", "10ms"],
    url: `http://127.0.0.1:${await freePort()}`,
    input: "1\n",
  });
  assert.equal(exitCode, 69);
  assert.match(stderr, /accepted at least 0, in .*run the command again with --key [0-9a-f-]{36}:/);
});

test("a server that restarts is waited for", async () => {
  await using gateway = await openScriptedGateway((seen, nth) => (nth < 3 ? "destroy" : batchAnswer(seen)));
  const { exitCode } = await runSluice({
    args: ["send", "-q", "orders", "--raw-lines"],
    url: gateway.url,
    input: "1\n",
  });
  assert.equal(exitCode, 0);
  assert.equal(new Set(gateway.seen.map(({ body }) => body.toString())).size, 1);
});

test("SIGINT sends what was read, takes no more, and ends with 75", async () => {
  await using gateway = await openScriptedGateway((seen) => batchAnswer(seen));
  const { exitCode, stderr } = await runSluice({
    args: ["send", "-q", "orders", "--raw-lines"],
    url: gateway.url,
    during: async (child) => {
      child.stdin.write(Array.from({ length: 2_600 }, (_, at) => `${at}\n`).join("")); // five batches and a part
      await gateway.arrival(1);
      child.kill("SIGINT");
    },
  });
  assert.equal(exitCode, 75);
  assert.match(stderr, /^sluice: interrupted\naccepted at least 2,600, in /);
});

test("a file that is not there is named", async () => {
  const { exitCode, stderr } = await runSluice({
    args: ["send", "-q", "orders", "none.json"],
    url: "http://127.0.0.1:1",
  });
  assert.equal(exitCode, 1);
  assert.match(stderr, /^sluice: cannot read .*none\.json: no such file or directory/);
});
