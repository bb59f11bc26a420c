import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { freePort, startNginx } from "@sluice/testing";
import { dead, done, GatewayUnderTest } from "../../test/gateway-under-test.ts";
import { eventsOf, nextOf } from "../../test/seen-events.ts";

describe("the events of a request", () => {
  let sut: GatewayUnderTest;
  before(async () => {
    sut = await GatewayUnderTest.open({ limits: { heartbeatMs: 20 } });
  });
  after(() => sut[Symbol.asyncDispose]());

  test("tell the state now and each change until the end", async () => {
    const id = await sut.accepted();
    const response = await fetch(`${sut.url}/v1/requests/${id}/events`);
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    const events = eventsOf(response);
    assert.equal((await nextOf(events)).data.state, "waiting");

    const { claim } = await sut.deliver();
    const running = await nextOf(events);
    assert.equal(running.event, "state");
    assert.equal(running.data.state, "running");
    assert.ok(running.id);
    assert.ok(Date.parse(running.data.at ?? "") > 0);

    sut.engine.report(claim, { percent: 50 });
    const progress = await nextOf(events);
    assert.equal(progress.event, "progress");
    assert.deepEqual(progress.data, { progress: { percent: 50 } });

    await sut.engine.retry(claim, { dueAt: 0, isCounted: false });
    assert.equal((await nextOf(events)).data.state, "waiting");
    await sut.finish(done("x"));
    assert.equal((await nextOf(events)).data.state, "running");
    const last = await nextOf(events);
    assert.equal(last.data.state, "done");
    assert.ok((await events.next()).done, "the stream ends after a final state");
    const { finishedAt } = (await sut.fetch(`/v1/requests/${id}`)).json;
    assert.equal(last.data.at, finishedAt);
    const again = await sut.fetch(`/v1/requests/${id}/events`, { headers: { "last-event-id": last.id ?? "" } });
    assert.equal(again.status, 204, "a browser comes back by itself, and has seen the end");
  });

  test("each end has an id of its own: one that was replayed ends anew", async () => {
    const id = await sut.accepted();
    const events = eventsOf(await fetch(`${sut.url}/v1/requests/${id}/events`));
    await sut.finish(dead);
    let first = await nextOf(events);
    while (first.data.state !== "dead") first = await nextOf(events);
    await sut.post(`/v1/requests/${id}/replay`);
    await setTimeout(2); // ids tell outcomes apart by their millisecond
    await sut.finish(dead);
    const init = { headers: { "last-event-id": first.id ?? "" } };
    const second = await nextOf(eventsOf(await fetch(`${sut.url}/v1/requests/${id}/events`, init)));
    assert.equal(second.data.state, "dead");
    assert.notEqual(second.id, first.id);
  });

  test("pass through nginx as it comes at once, those of a request and those of the overview", async () => {
    const port = await freePort();
    await using _nginx = await startNginx(
      `server { listen 127.0.0.1:${port}; location / { proxy_pass ${sut.url}; proxy_read_timeout 5s; } }`,
    );
    const id = await sut.accepted();
    for (const path of [`/v1/requests/${id}/events`, "/v1/overview/events"]) {
      await using held = new AsyncDisposableStack();
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(4_000) });
      const events = held.adopt(eventsOf(response), (all) => void all.return(undefined));
      assert.ok((await nextOf(events)).event, path);
    }
    await sut.finish(done("x"));
  });

  test("of a finished one are its state and the end; a browser that comes back is told to stop", async () => {
    const id = await sut.accepted();
    await sut.finish(done("x"));
    const events = eventsOf(await fetch(`${sut.url}/v1/requests/${id}/events`));
    const only = await nextOf(events);
    assert.equal(only.data.state, "done");
    assert.ok((await events.next()).done);
    const again = await sut.fetch(`/v1/requests/${id}/events`, { headers: { "last-event-id": only.id ?? "" } });
    assert.equal(again.status, 204);
  });

  test("keep a silent stream alive with comments", async () => {
    const id = await sut.accepted();
    const response = await fetch(`${sut.url}/v1/requests/${id}/events`);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    let text = "";
    while (!text.includes("\n: ")) text += Buffer.from((await reader.read()).value ?? []).toString();
    await reader.cancel();
    await sut.finish(done("x"));
  });
});

test("a stream that could flow only after another one of its connection is refused", async () => {
  await using sut = await GatewayUnderTest.open();
  const id = await sut.accepted();
  const ask = `GET /v1/requests/${id}/events HTTP/1.1\r\nhost: localhost\r\n\r\n`;
  const ping = "GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
  const answers = sut.raw(ask + ask + ping);
  await setTimeout(100);
  await sut.finish(done("x"));
  const statuses = [...(await answers).matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]);
  assert.deepEqual(statuses, ["200", "400", "200"]);
});

test("streams and waits leave room for others: one key has half of what may be held open, and all keys all of it", async () => {
  await using sut = await GatewayUnderTest.open({ limits: { heldMax: 4 }, keys: [{ name: "a" }, { name: "b" }] });
  const [a = "", b = ""] = sut.secrets;
  const ask = (secret: string, path = "/v1/overview/events") =>
    fetch(sut.url + path, { headers: { authorization: `Bearer ${secret}` } });
  const streams = [await ask(a), await ask(a)];
  const third = await ask(a);
  assert.deepEqual([third.status, third.headers.get("retry-after"), await codeOf(third)], [503, "5", "overloaded"]);
  streams.push(await ask(b), await ask(b));
  assert.deepEqual(
    streams.map(({ status }) => status),
    [200, 200, 200, 200],
  );
  const headers = { authorization: `Bearer ${a}`, prefer: "wait=30" };
  const accepted = await sut.post("/v1/queues/orders/requests", "1", headers);
  assert.equal(accepted.status, 202, "a wait for which there is no room ends at once; the request is stored");
  for (const { body } of streams) await body?.cancel();
  while ((await ask(a)).status !== 200);
});

async function codeOf(answer: Response): Promise<unknown> {
  return ((await answer.json()) as { readonly code: unknown }).code;
}
