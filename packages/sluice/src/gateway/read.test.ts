import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { dead, done, GatewayUnderTest } from "../../test/gateway-under-test.ts";

describe("reading a request", () => {
  let sut: GatewayUnderTest;
  before(async () => {
    sut = await GatewayUnderTest.open();
  });
  after(() => sut[Symbol.asyncDispose]());

  test("shows its whole life", async () => {
    const id = await sut.accepted("{}", { "idempotency-key": "life", "content-type": "application/json" });
    const waiting = (await sut.fetch(`/v1/requests/${id}`)).json;
    assert.deepEqual(
      { ...waiting, acceptedAt: "" },
      {
        id,
        queue: "orders",
        key: "life",
        sender: null,
        state: "waiting",
        attempts: 0,
        acceptedAt: "",
        startedAt: null,
        finishedAt: null,
        nextAttemptAt: null,
        lastError: null,
        contentType: "application/json",
        bytes: 2,
        method: null,
        path: null,
        headers: null,
        notBefore: null,
        expires: null,
        order: null,
        group: null,
        priority: null,
        expectedBy: null,
        progress: null,
      },
    );

    const { claim } = await sut.deliver();
    sut.engine.report(claim, { percent: 40 });
    const running = (await sut.fetch(`/v1/requests/${id}`)).json;
    assert.equal(running.state, "running");
    assert.ok(Date.parse(running.startedAt) >= Date.parse(running.acceptedAt));
    assert.deepEqual(running.progress, { percent: 40 });

    const dueAt = Date.now() + 60_000;
    await sut.engine.retry(claim, { dueAt, isCounted: true, failure: { code: "timeout", message: "too slow" } });
    const scheduled = (await sut.fetch(`/v1/requests/${id}`)).json;
    assert.equal(scheduled.state, "scheduled");
    assert.equal(scheduled.nextAttemptAt, new Date(dueAt).toISOString());
    assert.equal(scheduled.attempts, 1);
    assert.deepEqual(scheduled.lastError, { code: "timeout", message: "too slow" });
    assert.equal((await sut.post(`/v1/requests/${id}/cancel`)).status, 200);
  });

  test("its result is not there before it is finished, and says when to come again", async () => {
    const id = await sut.accepted();
    const { status, json, headers } = await sut.fetch(`/v1/requests/${id}/result`);
    assert.equal(status, 409);
    assert.equal(json.code, "not-finished");
    assert.equal(json.state, "waiting");
    assert.ok(Number(headers.get("retry-after")) >= 1);
    await sut.finish(done(""));
  });

  test("its result is the handler's own bytes and type, even none", async () => {
    for (const [text, type] of [
      ['{"total":12}', "application/json"],
      ["", "text/plain"],
    ] as const) {
      const id = await sut.accepted();
      await sut.finish(done(text, type));
      const answer = await sut.fetch(`/v1/requests/${id}/result`);
      assert.equal(answer.status, 200);
      assert.equal(answer.text, text);
      assert.equal(answer.headers.get("content-type"), type);
      assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
      assert.equal(answer.headers.get("sluice-request-id"), id);
      const head = await sut.fetch(`/v1/requests/${id}/result`, { method: "HEAD" });
      assert.equal(head.headers.get("content-length"), String(text.length));
      assert.equal(head.text, "");
    }
  });

  test("a result whose type cannot stand in a header is plain bytes", async () => {
    const id = await sut.accepted();
    await sut.finish(done("x", "text/plain\r\nset-cookie: a=b"));
    const answer = await sut.fetch(`/v1/requests/${id}/result`);
    assert.equal(answer.headers.get("content-type"), "application/octet-stream");
    assert.equal(answer.headers.get("set-cookie"), null);
  });

  test("a dead one has no result but its error", async () => {
    const id = await sut.accepted();
    await sut.finish(dead);
    const { status, json } = await sut.fetch(`/v1/requests/${id}/result`);
    assert.equal(status, 409);
    assert.equal(json.code, "dead");
    assert.deepEqual(json.error, { code: "rejected", message: "no such customer" });
    assert.equal((await sut.fetch(`/v1/requests/${id}`)).json.expectedBy, null);
  });

  test("a cancelled one has no result", async () => {
    const id = await sut.accepted();
    await sut.post(`/v1/requests/${id}/cancel`);
    const { status, json } = await sut.fetch(`/v1/requests/${id}/result`);
    assert.equal(status, 409);
    assert.equal(json.code, "cancelled");
  });

  test("Prefer: wait answers as soon as it is final", async () => {
    const id = await sut.accepted();
    const answer = sut.fetch(`/v1/requests/${id}`, { headers: { prefer: "respond-async, wait=30" } });
    await sut.finish(done("x"));
    const { json, headers } = await answer;
    assert.equal(json.state, "done");
    assert.equal(headers.get("preference-applied"), "wait=30");
  });

  test("Prefer: wait answers with the state when the time is up", async () => {
    const id = await sut.accepted();
    const { json } = await sut.fetch(`/v1/requests/${id}`, { headers: { prefer: "wait=1" } });
    assert.equal(json.state, "waiting");
    await sut.finish(done("x"));
  });

  test("a client that goes away lets go of its wait", async () => {
    const id = await sut.accepted();
    const { promise: released, resolve } = Promise.withResolvers<void>();
    const { promise: watched, resolve: onWatch } = Promise.withResolvers<void>();
    const watch = sut.engine.watch.bind(sut.engine);
    sut.engine.watch = (...watching) => {
      const inner = watch(...watching);
      onWatch();
      return { [Symbol.dispose]: () => (inner[Symbol.dispose](), resolve()) };
    };
    const leaving = new AbortController();
    const answer = sut.fetch(`/v1/requests/${id}`, { headers: { prefer: "wait=60" }, signal: leaving.signal });
    await watched;
    leaving.abort();
    await assert.rejects(answer);
    await released;
    sut.engine.watch = watch;
  });
});

describe("listing requests", () => {
  let sut: GatewayUnderTest;
  const ids: string[] = [];
  before(async () => {
    sut = await GatewayUnderTest.open();
    for (let n = 0; n < 5; n += 1) ids.unshift(await sut.accepted("{}", { "idempotency-key": `k${n}` }));
    await sut.finish(done("x"));
    await sut.post("/v1/queues/mails/requests", "{}");
  });
  after(() => sut[Symbol.asyncDispose]());

  async function idsOf(query: string): Promise<{ readonly ids: readonly string[]; readonly next: string | null }> {
    const { json } = await sut.fetch(`/v1/requests?${query}`);
    return { ids: json.requests.map(({ id }: { id: string }) => id), next: json.nextCursor };
  }

  test("gives the newest first, page by page, each once", async () => {
    const first = await idsOf("queue=orders&limit=2");
    assert.deepEqual(first.ids, ids.slice(0, 2));
    const second = await idsOf(`queue=orders&limit=2&cursor=${first.next}`);
    assert.deepEqual(second.ids, ids.slice(2, 4));
    const third = await idsOf(`queue=orders&limit=2&cursor=${second.next}`);
    assert.deepEqual(third.ids, ids.slice(4));
    assert.equal(third.next, null);
  });

  test("has no cursor behind a page that is just full", async () => {
    assert.equal((await idsOf("queue=orders&limit=5")).next, null);
  });

  test("filters by state and by key", async () => {
    assert.deepEqual((await idsOf("queue=orders&state=done")).ids, [ids[4]]);
    assert.deepEqual((await idsOf("queue=orders&state=dead")).ids, []);
    assert.deepEqual((await idsOf("queue=orders&key=k3")).ids, [ids[1]]);
    assert.equal((await idsOf("")).ids.length, 6);
  });
});
