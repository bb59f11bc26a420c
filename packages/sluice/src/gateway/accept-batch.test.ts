import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";

const route = "/v1/queues/orders/batches";

describe("a batch", () => {
  let sut: GatewayUnderTest;
  before(async () => {
    sut = await GatewayUnderTest.open();
  });
  after(() => sut[Symbol.asyncDispose]());

  test("hands its trace on to each of its requests, and no other header", async () => {
    await using own = await GatewayUnderTest.open();
    const trace = { traceparent: "00-a-b-01", tracestate: "x=1" };
    await own.post(route, '{"body":1}\n{"body":2}', { ...trace, "ce-id": "9", authorization: "secret" });
    for (let line = 1; line <= 2; line += 1) assert.deepEqual({ ...(await own.deliver()).request.headers }, trace);
  });

  test("is stored whole, with receipts in the order of its lines", async () => {
    const lines = [
      '{"key":"b1","body":{"n":12345678901234567890}}',
      '{"bodyBase64":"AP8=","contentType":"image/x"}',
      '{"body":null}',
    ];
    const { status, json, headers } = await sut.post(route, `${lines.join("\n\n")}\r\n`);
    assert.equal(status, 202);
    assert.ok(Number(headers.get("retry-after")) >= 1);
    assert.equal(json.receipts.length, 3);
    const bodies = await Promise.all(
      json.receipts.map(({ id }: { id: string }) => fetch(`${sut.url}/v1/requests/${id}/body`)),
    );
    assert.deepEqual(
      bodies.map((body) => body.headers.get("content-type")),
      ["application/json", "image/x", "application/json"],
    );
    assert.equal(await bodies[0].text(), '{"n":12345678901234567890}');
    assert.deepEqual([...(await bodies[1].bytes())], [0, 255]);
    assert.equal(await bodies[2].text(), "null");
    assert.deepEqual(Object.keys(json.receipts[0]), [
      "id",
      "queue",
      "state",
      "acceptedAt",
      "durability",
      "expectedBy",
      "replayed",
    ]);
  });

  test("of CloudEvents becomes a request for each, with its key, and all or none", async () => {
    const events = [
      '{"specversion":"1.0","type":"t","source":"/s","id":"1","data":{"n":12345678901234567890}}',
      '{ "specversion":"1.0","type":"t","source":"/s","id":"2","data":"]" }',
    ];
    const type = { "content-type": "application/cloudevents-batch+json; charset=utf-8" };
    const { status, json } = await sut.post(route, `[${events.join(" ,\n")}]`, type);
    assert.equal(status, 202);
    const found = await Promise.all(
      json.receipts.map(async ({ id }: { id: string }) => [
        (await sut.fetch(`/v1/requests/${id}`)).json.key,
        (await sut.fetch(`/v1/requests/${id}/body`)).text,
      ]),
    );
    assert.deepEqual(found, [
      ["ce:%2Fs|1", events[0]],
      ["ce:%2Fs|2", events[1]],
    ]);
    const alone = await sut.post("/v1/queues/orders/requests", events[1], {
      "content-type": "application/cloudevents+json",
    });
    assert.equal(alone.json.id, json.receipts[1].id);
    assert.equal(alone.headers.get("idempotent-replayed"), "true");

    const broken = await sut.post(route, `[{"source":"/s","id":"3"},7]`, type);
    assert.equal(broken.status, 400);
    assert.equal(broken.json.line, 2);
    assert.deepEqual((await sut.fetch(`/v1/requests?key=${encodeURIComponent("ce:%2Fs|3")}`)).json.requests, []);
    for (const text of ["{}", "", "[", "[1,]"]) assert.equal((await sut.post(route, text, type)).status, 400);
    assert.equal((await sut.post(route, "[]", type)).status, 400);
  });

  test("of CloudEvents is refused with its line for one nested too deep to be read, as one alone is", async () => {
    const event = `{"source":"/s","id":"deep","data":${"[".repeat(300_000)}${"]".repeat(300_000)}}`;
    const type = { "content-type": "application/cloudevents-batch+json" };
    const { status, json } = await sut.post(route, `[{"source":"/s","id":"4"},${event}]`, type);
    assert.deepEqual([status, json.code, json.line], [400, "bad-batch-line", 2]);
    assert.match(json.detail, /nested at most 1000 levels/);
    for (const contentType of ["application/cloudevents+json", "application/cloudevents-batch+json"]) {
      const alone = await sut.post("/v1/queues/orders/requests", `[${event}]`, { "content-type": contentType });
      assert.deepEqual([alone.status, alone.json.code], [400, "bad-request"]);
      assert.match(alone.json.detail, /nested at most 1000 levels/);
    }
    const opaque = await sut.post("/v1/queues/orders/requests", event, { "content-type": "application/json" });
    assert.equal(opaque.status, 202); // nobody reads it here
  });

  test("knows its repeats, inside itself and from before", async () => {
    const { json: before } = await sut.post(route, '{"key":"r1","body":1}');
    const { json } = await sut.post(route, '{"key":"r1","body":1}\n{"key":"r2","body":2}\n{"key":"r2","body":2}');
    const [again, first, second] = json.receipts;
    assert.equal(again.id, before.receipts[0].id);
    assert.equal(second.id, first.id);
    assert.deepEqual([again.replayed, first.replayed, second.replayed], [true, false, true]);
  });

  test("of 10,000 lines is taken", async () => {
    const { status, json } = await sut.post(route, '{"body":{}}\n'.repeat(10_000));
    assert.equal(status, 202);
    assert.equal(new Set(json.receipts.map(({ id }: { id: string }) => id)).size, 10_000);
  });
});

test("batches that arrive together hold no more than their bound: the largest is sent away with 503, the others are taken", async () => {
  await using sut = await GatewayUnderTest.open({ limits });
  const large = new Upload(sut.url, { lines: 20 });
  const small = new Upload(sut.url, { lines: 10 });
  await large.write(19);
  await small.write(9);
  assert.match(await large.answer, /^HTTP\/1.1 503 [^]*retry-after: 1\r\n[^]*"overloaded"/i);
  await small.write(1);
  assert.match(await small.answer, /^HTTP\/1.1 202 /);
  const { json } = await sut.fetch("/v1/queues/orders");
  assert.equal(json.accepted, 10);
});

test("a batch that waits for its turn is sent away as well, at once, and nothing of it is stored", async () => {
  await using sut = await GatewayUnderTest.open({ limits: { batchBytesMax: 500_000, batchesBytesMax: 700_000 } });
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const { engine } = sut;
  const accept = engine.accept.bind(engine);
  engine.accept = async (requests) => {
    begun.resolve();
    await goOn.promise;
    return accept(requests);
  };
  const first = sut.post(route, batchLine.repeat(30));
  await begun.promise; // its turn lasts from here on
  const waiting = sut.post(route, batchLine.repeat(25));
  for (let rounds = 0; rounds < 10; rounds += 1) await sut.fetch("/livez"); // it is whole by then, and waits
  const last = new Upload(sut.url, { lines: 10 });
  await last.write(9);
  const { status, headers } = await waiting;
  assert.deepEqual([status, headers.get("retry-after")], [503, "1"]);
  goOn.resolve();
  assert.equal((await first).status, 202);
  await last.write(1);
  assert.match(await last.answer, /^HTTP\/1.1 202 /);
  assert.equal((await sut.fetch("/v1/queues/orders")).json.accepted, 40);
});

test("batches of many lines are stored one after the other, however short the lines are", async () => {
  await using sut = await GatewayUnderTest.open();
  const { engine } = sut;
  const accept = engine.accept.bind(engine);
  let [running, most] = [0, 0];
  engine.accept = async (requests) => {
    running += 1;
    most = Math.max(most, running);
    return accept(requests).finally(() => (running -= 1));
  };
  const events = { "content-type": "application/cloudevents-batch+json" };
  const event = '{"specversion":"1.0","type":"t","source":"s","id":"1"}';
  for (const [body, headers] of [
    ['{"body":1}\n'.repeat(1_500), undefined],
    [`[${Array.from({ length: 1_500 }, (_, id) => event.replace('"1"', `"${id}"`)).join()}]`, events],
  ] as const) {
    const answers = await Promise.all([1, 2, 3].map(() => sut.post(route, body, headers)));
    for (const { status, text } of answers) assert.equal(status, 202, text);
  }
  assert.equal(most, 1);
});

test("a batch gives its room back however it ends", async () => {
  await using sut = await GatewayUnderTest.open({ limits });
  const batch = batchLine.repeat(20);
  for (let round = 0; round < 3; round += 1) {
    const broken = new Upload(sut.url, { lines: 20 });
    await broken.write(19);
    await broken.breakOff();
    assert.equal((await sut.post(route, `${batch}{`)).status, 400);
    assert.equal((await sut.post(route, batch)).status, 202);
  }
});

const limits = { batchBytesMax: 250_000, batchesBytesMax: 300_000 };
const batchLine = `{"body":"${"x".repeat(12_000)}"}\n`;

/** A batch that is sent line by line, on a connection of its own. */
class Upload {
  readonly #socket: Socket;
  readonly #heard: Promise<string>;

  constructor(url: string, { lines }: { readonly lines: number }) {
    const { hostname, port } = new URL(url);
    this.#socket = connect({ host: hostname, port: Number(port) });
    this.#socket.on("error", () => {}); // a reset after the answer
    this.#heard = once(this.#socket, "data").then(([chunk]) => String(chunk));
    const length = lines * batchLine.length;
    this.#socket.write(`POST ${route} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${length}\r\n\r\n`);
  }

  get answer(): Promise<string> {
    return this.#heard.finally(() => this.#socket.destroy());
  }

  /** Resolves once the system has them all. */
  async write(lines: number): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.write(batchLine.repeat(lines), () => resolve()));
  }

  async breakOff(): Promise<void> {
    this.#heard.catch(() => {}); // nobody waits for it
    this.#socket.destroy();
    await once(this.#socket, "close");
  }
}
