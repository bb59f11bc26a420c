import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";

const route = "/v1/queues/orders/requests";

describe("shutting down", () => {
  test("a gateway that lingers says so, serves everything, and closes connections", async () => {
    await using sut = await GatewayUnderTest.open();
    const id = await sut.accepted();
    assert.equal((await sut.fetch("/readyz")).status, 200);
    const hurry = new AbortController();
    const lingering = sut.gateway.linger(60_000, hurry.signal);
    const accepted = await sut.post(route, "{}");
    assert.equal(accepted.status, 202);
    assert.equal(accepted.headers.get("connection"), "close");
    assert.equal((await sut.post("/v1/queues/orders/batches", '{"body":1}')).status, 202);
    const ready = await sut.fetch("/readyz");
    assert.equal(ready.status, 503);
    assert.equal(ready.json.ready, false);
    assert.equal(ready.json.problems[0].code, "draining");
    assert.equal((await sut.fetch(`/v1/requests/${id}`)).status, 200);
    assert.equal((await sut.fetch("/livez")).status, 200);
    hurry.abort();
    await lingering;
  });

  test("a gateway that drains takes no connections, and serves those that it has", async () => {
    await using sut = await GatewayUnderTest.open();
    const [first, second] = [await openConnection(sut), await openConnection(sut)];
    const half = `POST ${route} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{`;
    first.socket.write(half);
    await sut.fetch("/livez"); // by now the server has both
    await sut.gateway.drain();
    await assert.rejects(fetch(sut.url));
    first.socket.write("}");
    assert.match(await first.answer, /^HTTP\/1\.1 202 /);
    const closing = sut.gateway.close();
    second.socket.write(`${half}}`); // it had connected, as a proxy does, and sent nothing
    assert.match(await second.answer, /^HTTP\/1\.1 202 [^]*connection: close/i);
    await closing;
  });

  test("a request that comes when all should be over is refused, with nothing stored", async () => {
    await using sut = await GatewayUnderTest.open({ limits: { silentGraceMs: 0 } });
    const late = await openConnection(sut);
    late.socket.write(`POST ${route} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n`);
    await sut.fetch("/livez");
    const closing = sut.gateway.close();
    await setTimeout(50); // past the grace
    late.socket.write("\r\n{}");
    assert.match(await late.answer, /^HTTP\/1\.1 503 [^]*retry-after: \d[^]*"draining"/i);
    await closing;
    assert.equal((await sut.engine.backlog())[0]?.accepted ?? 0, 0);
  });

  test("closing ends waits and event streams, and answers what is under way", async () => {
    await using sut = await GatewayUnderTest.open();
    const id = await sut.accepted();
    const stream = await fetch(`${sut.url}/v1/requests/${id}/events`);
    const { promise: watched, resolve } = Promise.withResolvers<void>();
    const watch = sut.engine.watch.bind(sut.engine);
    sut.engine.watch = (...watching) => (resolve(), watch(...watching));
    const wait = sut.post(route, "{}", { prefer: "wait=60" });
    await watched;
    await Promise.all([sut.gateway.close(), sut.gateway.close()]);
    assert.equal((await wait).status, 202);
    assert.match(await stream.text(), /waiting/);
    await assert.rejects(fetch(sut.url));
  });

  test("a connection on which nothing was sent does not hold up closing", async () => {
    await using sut = await GatewayUnderTest.open();
    const answer = sut.raw();
    await sut.fetch("/livez"); // by now the server has the silent connection too
    await sut.gateway.close();
    assert.equal(await answer, "");
  });

  test("a sender that never finishes does not hold up closing beyond its grace", async () => {
    await using sut = await GatewayUnderTest.open({ limits: { closeGraceMs: 50 } });
    const answer = sut.raw(`POST ${route} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nabc`);
    await sut.fetch("/livez"); // by now the server has the other connection too
    await sut.gateway.close();
    assert.equal(await answer, "");
  });
});

async function openConnection(sut: GatewayUnderTest): Promise<{ socket: Socket; answer: Promise<string> }> {
  const socket = connect(Number(new URL(sut.url).port), "127.0.0.1");
  await once(socket, "connect");
  return { socket, answer: text(socket) };
}

test("what breaks inside is 500 and does not show", async () => {
  await using sut = await GatewayUnderTest.open();
  sut.engine.audit = () => Promise.reject(new Error("a secret of the inside"));
  const { status, json, text } = await sut.fetch("/v1/audit");
  assert.equal(status, 500);
  assert.equal(json.code, "internal");
  assert.doesNotMatch(text, /secret/);
});

test("GET / says where to go", async () => {
  await using sut = await GatewayUnderTest.open();
  const { json } = await sut.fetch("/");
  assert.equal(json.name, "sluice");
  assert.equal(json.version, "1.2.3");
  assert.equal((await sut.fetch(json.links.api)).status, 200);
});
