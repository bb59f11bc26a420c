import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { SluiceError } from "../core/errors.ts";
import { dead, done, GatewayUnderTest } from "../../test/gateway-under-test.ts";
import { eventsOf, nextNamed, nextOf } from "../../test/seen-events.ts";

const route = "/v1/overview/events";

interface Viewer extends AsyncDisposable {
  readonly events: ReturnType<typeof eventsOf>;
}

describe("the events of the overview", () => {
  let sut: GatewayUnderTest;
  /** How often the engine was asked for its backlog. */
  let readings = 0;
  before(async () => {
    sut = await GatewayUnderTest.open();
    const backlog = sut.engine.backlog.bind(sut.engine);
    sut.engine.backlog = () => ((readings += 1), backlog());
  });
  after(() => sut[Symbol.asyncDispose]());

  async function view(): Promise<Viewer> {
    const abort = new AbortController();
    const response = await fetch(sut.url + route, { signal: abort.signal });
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    assert.equal(response.headers.get("cache-control"), "no-store");
    return { events: eventsOf(response), [Symbol.asyncDispose]: () => Promise.resolve(abort.abort()) };
  }

  test("begin with the history, then tell every queue as its own route does", async () => {
    await sut.accepted();
    await using viewer = await view();
    assert.equal((await nextOf(viewer.events)).event, "history");
    const { data } = await nextNamed(viewer.events, "overview");
    assert.equal(data.version, "1.2.3");
    assert.equal(data.ready, true);
    assert.deepEqual(data.problems, []);
    const { json } = await sut.fetch("/v1/queues");
    const names = (queues: readonly { readonly name: string }[]): readonly string[] => queues.map(({ name }) => name);
    assert.deepEqual(names(data.queues), names(json.queues));
    assert.deepEqual(Object.keys(data.queues[0]), Object.keys(json.queues[0]));
    await sut.finish(done("x"));
  });

  test("show the backlog rise and fall", async () => {
    await using viewer = await view();
    const backlog = async (): Promise<number> => {
      const { data } = await nextNamed(viewer.events, "overview");
      return data.queues.find(({ name }: { name: string }) => name === "orders").backlog;
    };
    await sut.accepted();
    await sut.accepted();
    let seen = await backlog();
    while (seen !== 2) seen = await backlog();
    await sut.finish(done("x"));
    await sut.finish(dead);
    while (seen !== 0) seen = await backlog();
  });

  test("tell the verdict of the first audit, and of each that anybody asks for", async () => {
    await using viewer = await view();
    const first = (await nextNamed(viewer.events, "audit")).data;
    assert.equal(first.holds, true);
    assert.equal(first.findings, 0);
    await sut.fetch("/v1/audit");
    const asked = (await nextNamed(viewer.events, "audit")).data;
    assert.ok(Date.parse(asked.at) > Date.parse(first.at));
    assert.deepEqual(asked.queues.find(({ queue }: { queue: string }) => queue === "orders").missing, 0);
  });

  test("come from one sampler for all viewers", async () => {
    const viewers = await Promise.all([view(), view(), view()]);
    await Promise.all(viewers.map(({ events }) => nextNamed(events, "overview")));
    const before = readings;
    const [first] = await Promise.all(viewers.map(({ events }) => nextNamed(events, "overview")));
    const [second] = await Promise.all(viewers.map(({ events }) => nextNamed(events, "overview")));
    assert.notEqual(first?.data.at, second?.data.at);
    assert.ok(readings - before <= 3, `three viewers cost ${readings - before} readings for two samples`);

    for (const viewer of viewers) await viewer[Symbol.asyncDispose]();
  });

  test("say that the queues cannot be read, without what is inside, and go on", async () => {
    await using viewer = await view();
    await nextNamed(viewer.events, "overview");
    const { backlog } = sut.engine;
    sut.engine.backlog = () => Promise.reject(new Error("a secret of the inside"));
    const hidden = (await nextNamed(viewer.events, "unreadable")).data;
    assert.equal(hidden.code, "internal");
    assert.doesNotMatch(hidden.message, /secret/);
    sut.engine.backlog = () => Promise.reject(new SluiceError("store-unavailable", "the database is out"));
    let told = (await nextNamed(viewer.events, "unreadable")).data;
    while (told.code === "internal") told = (await nextNamed(viewer.events, "unreadable")).data;
    assert.deepEqual(told, { code: "store-unavailable", message: "the database is out" });
    sut.engine.backlog = backlog;
    await nextNamed(viewer.events, "overview");
  });
});

test("the sampler reads nothing before somebody looks, and stops when the last one leaves", async () => {
  await using sut = await GatewayUnderTest.open();
  let readings = 0;
  const backlog = sut.engine.backlog.bind(sut.engine);
  sut.engine.backlog = () => ((readings += 1), backlog());
  await sut.fetch("/livez");
  assert.equal(readings, 0);
  const abort = new AbortController();
  const events = eventsOf(await fetch(sut.url + route, { signal: abort.signal }));
  await nextNamed(events, "overview");
  abort.abort();
  await assert.rejects(events.next());
  // There is no event for what does not happen: two times the interval after the last reading is enough.
  await new Promise((resolve) => setTimeout(resolve, 2_200));
  assert.ok(readings <= 2, `${readings} readings for one sample that somebody saw`);
});

test("closing the gateway ends the streams of the overview", async () => {
  await using sut = await GatewayUnderTest.open();
  const response = await fetch(sut.url + route);
  const text = response.text();
  await sut.gateway.close();
  assert.match(await text, /^event: history/);
});

test("what was seen is told to whoever comes later", async () => {
  await using sut = await GatewayUnderTest.open();
  await sut.accepted();
  const first = eventsOf(await fetch(sut.url + route));
  await nextNamed(first, "overview");
  const second = eventsOf(await fetch(sut.url + route));
  const { data } = await nextNamed(second, "history");
  const orders = data.queues.find(({ queue }: { queue: string }) => queue === "orders");
  assert.equal(orders.at.length, 1);
  assert.deepEqual(orders.backlog, [1]);
});

test("a key that is limited to some queues is told of those alone", async () => {
  await using sut = await GatewayUnderTest.open({ keys: [{}, { queues: ["mails"], scopes: ["read"] }] });
  const look = async (key: number): Promise<ReturnType<typeof eventsOf>> => {
    const response = await fetch(sut.url + route, { headers: { authorization: `Bearer ${sut.secrets[key]}` } });
    assert.equal(response.status, 200);
    return eventsOf(response);
  };
  for (const queue of ["orders", "mails"])
    await sut.post(`/v1/queues/${queue}/requests`, "{}", { authorization: `Bearer ${sut.secrets[0]}` });
  const [everything, mailsOnly] = [await look(0), await look(1)];
  const namesIn = async (events: ReturnType<typeof eventsOf>): Promise<readonly string[]> =>
    (await nextNamed(events, "overview")).data.queues.map(({ name }: { name: string }) => name);
  assert.deepEqual(await namesIn(everything), ["mails", "orders"]);
  assert.deepEqual(await namesIn(mailsOnly), ["mails"]);
  await fetch(`${sut.url}/v1/audit`, { headers: { authorization: `Bearer ${sut.secrets[0]}` } });
  const { queues } = (await nextNamed(mailsOnly, "audit")).data;
  assert.ok(queues.every(({ queue }: { queue: string }) => queue === "mails"));
  const { data } = await nextOf(await look(1));
  assert.deepEqual(
    data.queues.map(({ queue }: { queue: string }) => queue),
    ["mails"],
  );
});
