import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { sluiceCommand, startChild, startSluice, temporaryFolder, type Child } from "@sluice/testing";

const script = fileURLToPath(new URL("./base/door.ts", import.meta.url));
const token = "0123456789abcdef0123456789abcdef";
const authorization = `Bearer ${token}`;

type Respond = (request: IncomingMessage, response: ServerResponse) => void;

interface Rig extends AsyncDisposable {
  readonly url: string;
  readonly door: Child;
}

/** The door as a process of its own, before a server that stands for the gateway. */
async function openDoor(respond: Respond): Promise<Rig> {
  await using resources = new AsyncDisposableStack();
  const server = createServer(respond);
  await once(server.listen(0, "127.0.0.1"), "listening");
  resources.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  const door = resources.use(await startDoor(token, `http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  const url = await urlOf(door);
  const owned = resources.move();
  return { url, door, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function startDoor(secret: string, gatewayUrl: string): Promise<Child> {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "token");
  await writeFile(file, `${secret}\n`);
  const env = { DOOR_PORT: "0", DOOR_TOKEN_FILE: file, GATEWAY_URL: gatewayUrl };
  const door = await startChild({ command: process.execPath, args: [script], env });
  await Promise.race([door.line(/on port/), door.exited]); // it has read the file
  return door;
}

async function urlOf(door: Child): Promise<string> {
  const [, port] = await door.line(/on port (\d+)$/);
  return `http://127.0.0.1:${port}`;
}

test("who shows the token gets through, body and headers as they are, the token left behind", async () => {
  await using sut = await openDoor((request, response) => void tellBack(request, response));
  const answer = await fetch(`${sut.url}/v1/queues/orders/requests?a=b`, {
    method: "POST",
    headers: { authorization, "idempotency-key": "k" },
    body: "é".repeat(100_000),
  });
  assert.equal(answer.status, 202);
  assert.equal(answer.headers.get("location"), "/v1/requests/1");
  assert.equal(await answer.text(), `POST /v1/queues/orders/requests?a=b k none ${"é".repeat(100_000)}`);
});

async function tellBack(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { authorization: shown = "none", "idempotency-key": key } = request.headers;
  const body = await text(request);
  response.writeHead(202, { location: "/v1/requests/1" });
  response.end(`${request.method} ${request.url} ${String(key)} ${shown} ${body}`);
}

test("who shows none or another one is refused, and the gateway hears nothing of it", async () => {
  const heard: string[] = [];
  await using sut = await openDoor((request, response) => {
    heard.push(String(request.url));
    response.end();
  });
  const shown = [undefined, `Bearer ${token}0`, `Bearer ${token.slice(1)}`, `Basic ${token}`, "Bearer", token];
  for (const value of shown) {
    const headers = value === undefined ? undefined : { authorization: value };
    const answer = await fetch(`${sut.url}/v1/queues`, { ...(headers && { headers }) });
    assert.equal(answer.status, 401, value);
    assert.equal(answer.headers.get("www-authenticate"), "Bearer");
  }
  for (const path of ["/livez?a=b", "/livez/", "//livez"]) assert.equal((await fetch(`${sut.url}${path}`)).status, 401);
  assert.equal((await fetch(`${sut.url}/livez`, { method: "POST" })).status, 401);
  assert.deepEqual(heard, []);
});

test("the probes need no token, and tell what the gateway tells", async () => {
  await using sut = await openDoor((request, response) => {
    response.writeHead(request.url === "/readyz" ? 503 : 200).end(request.url);
  });
  assert.equal((await fetch(`${sut.url}/livez`)).status, 200);
  assert.equal((await fetch(`${sut.url}/readyz`)).status, 503);
});

test("a gateway that is not there is a 502 that asks to try again", async () => {
  await using door = await startDoor(token, "http://127.0.0.1:1");
  const answer = await fetch(`${await urlOf(door)}/livez`);
  assert.equal(answer.status, 502);
  assert.equal(answer.headers.get("retry-after"), "1");
});

test("Sluice's own command gets through with the token as its API key, and not without", async () => {
  await using folder = await temporaryFolder();
  const args = ["--queue", "orders", "--target", "http://127.0.0.1:9/"];
  await using sluice = await startSluice({ dataFolder: folder.path, args });
  await using door = await startDoor(token, sluice.url);
  const url = await urlOf(door);
  const queues = async (apiKey: string | undefined) => {
    const command = [sluiceCommand, "queues", "--url", url, "--json"];
    await using child = await startChild({ command: process.execPath, args: command, env: { SLUICE_API_KEY: apiKey } });
    const { code } = await child.exited;
    return { code, output: child.output() };
  };
  const shown = await queues(token);
  assert.equal(shown.code, 0, shown.output);
  assert.match(shown.output, /"orders"/);
  const { code, output } = await queues(undefined);
  assert.notEqual(code, 0);
  assert.match(output, /401|Show the token/);
});

test("a caller who leaves is told to the gateway", async () => {
  const { promise: left, resolve } = Promise.withResolvers<void>();
  await using sut = await openDoor((_request, response) => {
    response.once("close", resolve);
    response.writeHead(200).write("first");
  });
  const leaving = new AbortController();
  const answer = await fetch(`${sut.url}/v1/requests/1/events`, { headers: { authorization }, signal: leaving.signal });
  assert.equal(answer.status, 200);
  leaving.abort();
  await left;
});

test("told to stop it lets what is under way finish, and ends", async () => {
  const { promise: asked, resolve } = Promise.withResolvers<ServerResponse>();
  await using sut = await openDoor((_request, response) => resolve(response));
  const answer = fetch(`${sut.url}/v1/requests/1`, { headers: { authorization, connection: "close" } });
  const held = await asked;
  sut.door.kill("SIGTERM");
  await sut.door.line(/^The door closes$/);
  held.end("late");
  assert.equal(await (await answer).text(), "late");
  assert.deepEqual(await sut.door.exited, { code: 0, signal: null }, sut.door.output());
});

test("a token that could be guessed does not open", async () => {
  await using door = await startDoor("change-me", "http://127.0.0.1:1");
  assert.equal((await door.exited).code, 78);
  assert.match(door.output(), /must have 32 characters or more, got 9/);
});
