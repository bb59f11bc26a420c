// Clients that ask for much and read nothing: what they hold is bounded, others are served, and they are cut off.
import assert from "node:assert/strict";
import { IncomingMessage, ServerResponse } from "node:http";
import { connect, Socket } from "node:net";
import { describe, test } from "node:test";
import type { FastifyReply } from "fastify";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";
import { EventStream } from "./event-stream.ts";
import { HeldAnswers } from "./held-answers.ts";
import { defaultGatewayLimits } from "./limits.ts";
import { Outgoing } from "./outgoing.ts";

const mib = 2 ** 20;
const largeBytes = 8 * mib;
const limits = { outgoingBytesMax: 20 * mib, outgoingWaitMs: 300, stallTimeoutMs: 400 };

/** Asks so many times on one connection, and reads nothing. */
function askUnread(url: string, path: string, times = 1): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on("error", () => undefined); // it is cut off
  socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`.repeat(times));
  return socket.pause();
}

async function openWithResults(more: object = {}): Promise<{ sut: GatewayUnderTest; large: string; small: string }> {
  const sut = await GatewayUnderTest.open({ limits: { ...limits, ...more } });
  const idOf = async (bytes: number): Promise<string> => {
    const id = await sut.accepted();
    await sut.finish({ kind: "done", result: { contentType: "a/b", bytes: Buffer.alloc(bytes, 120) } });
    return `/v1/requests/${id}/result`;
  };
  return { sut, large: await idOf(largeBytes), small: await idOf(1_000) };
}

async function readersOf(sut: GatewayUnderTest): Promise<() => number> {
  let reading = 0;
  let most = 0;
  const { readResult } = sut.engine;
  sut.engine.readResult = async (id) => {
    reading += 1;
    most = Math.max(most, reading);
    return await readResult.call(sut.engine, id).finally(() => (reading -= 1));
  };
  return () => most;
}

describe("clients that read nothing of a large result", () => {
  test("hold no more than the bound, while small answers go on; then they are cut off, and others get their turn", async () => {
    const { sut, large, small } = await openWithResults({ outgoingWaitMs: 30_000 });
    await using _ = sut;
    const mostReading = await readersOf(sut);
    const before = process.memoryUsage().arrayBuffers;
    const sockets = Array.from({ length: 6 }, () => askUnread(sut.url, large));
    while (mostReading() === 0) await sut.fetch("/livez");
    for (let round = 0; round < 5; round += 1) assert.equal((await sut.fetch(small)).text.length, 1_000);
    const held = process.memoryUsage().arrayBuffers - before;
    assert.ok(held < 3 * limits.outgoingBytesMax, `${held / mib} MiB are held`);
    assert.ok(mostReading() <= 2, `${mostReading()} results were read at once, and two have room`);
    assert.equal((await sut.fetch(large)).text.length, largeBytes, "those before it were cut off, one after the other");
    for (const socket of sockets) socket.destroy();
  });

  test("make others wait no longer than so long: then it is 503 with Retry-After", async () => {
    const { sut, large } = await openWithResults({ stallTimeoutMs: 60_000 });
    await using _ = sut;
    const sockets = [1, 2].map(() => askUnread(sut.url, large));
    const mostReading = await readersOf(sut);
    while (mostReading() < 1) await sut.fetch("/livez");
    const { status, headers, json } = await sut.fetch(large);
    assert.deepEqual([status, json.code], [503, "overloaded"]);
    assert.ok(Number(headers.get("retry-after")) >= 1);
    for (const socket of sockets) socket.destroy();
    while ((await sut.fetch(large)).status !== 200); // as soon as they are gone
  });

  test("are bounded in what they hold of bodies, too", async () => {
    const { sut } = await openWithResults({ bodyBytesMax: 16 * mib });
    await using _ = sut;
    const id = await sut.accepted("x".repeat(largeBytes));
    const path = `/v1/requests/${id}/body`;
    const sockets = [1, 2, 3].map(() => askUnread(sut.url, path));
    while ((await sut.fetch(path)).status !== 503);
    while ((await sut.fetch(path)).status !== 200); // once they are cut off
    for (const socket of sockets) socket.destroy();
  });
});

test("a list for which there is no room is 503, a short one is not; and there is room once the others are gone", async () => {
  const { sut, large } = await openWithResults({ outgoingBytesMax: 200_000, stallTimeoutMs: 60_000 });
  await using _ = sut;
  await sut.post("/v1/queues/orders/batches", '{"body":1}\n'.repeat(300), { "content-type": "application/x-ndjson" });
  const list = "/v1/requests?limit=300"; // about 100 KB
  const mostReading = await readersOf(sut);
  const sockets = [1, 2].map(() => askUnread(sut.url, large)); // one always has room
  while (mostReading() < 1) await sut.fetch("/livez");
  const refused = await sut.fetch(list);
  assert.deepEqual([refused.status, refused.json.code], [503, "overloaded"]);
  assert.ok(Number(refused.headers.get("retry-after")) >= 1);
  assert.equal((await sut.fetch("/v1/requests?limit=1")).status, 200);
  for (const socket of sockets) socket.destroy();
  while ((await sut.fetch(list)).status !== 200);
  const { json, headers } = await sut.fetch(list);
  assert.equal(json.requests.length, 300);
  assert.ok(Number(headers.get("content-length")) > 64 * 1_024);
});

test("short texts of event streams that nobody reads are bounded in sum", () => {
  const outgoing = new Outgoing({ outgoingBytesMax: 100_000, outgoingWaitMs: 60_000, stallTimeoutMs: 60_000 });
  const context = { limits: defaultGatewayLimits, held: new HeldAnswers(undefined, 100), outgoing };
  using resources = new DisposableStack();
  const responses = Array.from({ length: 20 }, () => {
    const socket = connect({ host: "somewhere", port: 1, lookup: () => undefined }); // takes nothing: it never connects
    const response = new ServerResponse(new IncomingMessage(socket));
    response.assignSocket(socket);
    return response;
  });
  for (const raw of responses) {
    const reply = { raw, request: { grant: undefined }, hijack() {} } as unknown as FastifyReply;
    const stream = new EventStream(context, reply, resources.use(new DisposableStack()));
    stream.begin();
    for (let text = 0; text < 8; text += 1) stream.write("x".repeat(8_000));
  }
  const left = responses.filter(({ destroyed }) => !destroyed);
  const held = left.reduce((sum, { writableLength }) => sum + writableLength, 0);
  assert.ok(left.length > 0 && held < 2 * 100_000, `${left.length} streams hold ${held} bytes`);
  assert.ok(outgoing.bytes > 0 && outgoing.bytes <= 100_000);
  context.held.endAll();
  for (const { socket } of responses) socket?.destroy();
});

test("answers that wait behind another one on a connection that has gone leave as well", async () => {
  const outgoing = new Outgoing({ outgoingBytesMax: 1_000, outgoingWaitMs: 60_000, stallTimeoutMs: 40 });
  const socket = new Socket();
  const response = new ServerResponse(new IncomingMessage(socket)); // no socket of its own yet
  outgoing.take(response, 800);
  assert.equal(outgoing.bytes, 800);
  assert.throws(() => outgoing.take(response, 300), { code: "overloaded" });
  socket.destroy();
  while (outgoing.bytes > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  outgoing.take(response, 300)[Symbol.dispose]();
});
