// Not before a time, and not after one, as senders say it: over real HTTP in front of the real engine.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertProblem, done, GatewayUnderTest, type Answer } from "../../test/gateway-under-test.ts";
import { soonMs } from "./queue-view.ts";

const hourMs = 3_600_000;
const one = "/v1/queues/orders/requests";
const many = "/v1/queues/orders/batches";
const events = { "content-type": "application/cloudevents-batch+json" };

let sut: GatewayUnderTest;
before(async () => {
  sut = await GatewayUnderTest.open();
});
after(() => sut[Symbol.asyncDispose]());

async function acceptedCount(): Promise<number> {
  return (await sut.engine.backlog()).reduce((sum, { accepted }) => sum + accepted, 0);
}

/** What was asked for, as the request shows it. */
async function timesOf(id: string): Promise<readonly unknown[]> {
  const { json } = await sut.fetch(`/v1/requests/${id}`);
  return [json.state, json.notBefore, json.expires];
}

function later(ms: number): string {
  return new Date(Date.now() + ms).toISOString();
}

const hostile = [
  "",
  "soon",
  "-5m",
  "1e99d",
  "NaNs",
  "999999999999999999999d",
  "733d",
  "9999-12-31T23:59:59Z",
  "2026-02-31T00:00:00Z",
  "2026-12-24T18:00:00",
  "5m; 6m",
  "5\u00b5s",
  `${"0".repeat(10_000)}5m`,
];

describe("a request with times", () => {
  test("is scheduled, and expected no sooner than it may begin", async () => {
    const [notBefore, expires] = [later(2 * hourMs), later(3 * hourMs)];
    const headers = { "sluice-not-before": notBefore, "sluice-expires": expires };
    const answer = await sut.post(one, "{}", headers);
    assert.equal(answer.status, 202, answer.text);
    assert.equal(answer.json.state, "scheduled");
    const waitSeconds = (2 * hourMs) / 1_000;
    const retryAfter = Number(answer.headers.get("retry-after"));
    assert.ok(retryAfter > waitSeconds - 60 && retryAfter <= waitSeconds, String(retryAfter));
    assert.deepEqual(await timesOf(answer.json.id), ["scheduled", notBefore, expires]);
    const { json } = await sut.fetch(`/v1/requests/${answer.json.id}`);
    assert.equal(json.nextAttemptAt, notBefore);
    const result = await sut.fetch(`/v1/requests/${answer.json.id}/result`);
    assertProblem(result, 409, "not-finished");
    assert.ok(Number(result.headers.get("retry-after")) > waitSeconds - 60);
  });

  test("may name a duration from now", async () => {
    const sentAt = Date.now();
    const { json } = await sut.post(one, "{}", { "sluice-not-before": "90m", "sluice-expires": "1d" });
    const [state, notBefore, expires] = await timesOf(json.id);
    assert.equal(state, "scheduled");
    for (const [time, ms] of [
      [notBefore, 1.5 * hourMs],
      [expires, 24 * hourMs],
    ] as const) {
      const early = sentAt + ms - Date.parse(String(time));
      assert.ok(early <= 0 && early > -60_000, String(time));
    }
  });

  test("that have passed waits like any other, or has expired", async () => {
    const began = await sut.post(one, "{}", { "sluice-not-before": "2020-01-01T00:00:00Z" });
    assert.equal(began.json.state, "waiting");
    assert.equal(began.headers.get("retry-after"), "60"); // as without it: nothing is delivered here
    await sut.finish(done(""));
    assert.deepEqual(await timesOf(began.json.id), ["done", "2020-01-01T00:00:00.000Z", null]);
    const ended = await sut.post(one, "{}", { "sluice-expires": "0s", prefer: "wait=10" });
    assertProblem(ended, 502, "dead");
    assert.equal(ended.json.error.code, "expired");
  });

  test("is told nothing of them in lists, and nothing where none were asked for", async () => {
    const id = await sut.accepted();
    assert.deepEqual((await timesOf(id)).slice(1), [null, null]);
    const { json } = await sut.fetch("/v1/requests?limit=10");
    for (const shown of json.requests) assert.ok(!("notBefore" in shown) && !("expires" in shown));
    await sut.finish(done(""));
  });

  test("keeps those of the first when its key comes again, and a repeat says no time that it does not know", async () => {
    const notBefore = later(hourMs);
    const first = await sut.post(one, "{}", { "idempotency-key": "again", "sluice-not-before": notBefore });
    for (const headers of [{ "sluice-not-before": later(9 * hourMs) }, { "sluice-expires": "1s" }, {}]) {
      const again = await sut.post(one, "{}", { ...headers, "idempotency-key": "again" });
      assert.deepEqual([again.json.id, again.json.state], [first.json.id, "scheduled"]);
      assert.equal(again.json.expectedBy, null);
      assert.equal(again.headers.get("retry-after"), "60");
    }
    assert.deepEqual(await timesOf(first.json.id), ["scheduled", notBefore, null]);
  });

  test("is waited for beyond its time", async () => {
    const notBefore = Date.now() + 700;
    const sent = sut.post(one, "{}", { "sluice-not-before": new Date(notBefore).toISOString(), prefer: "wait=20" });
    await sut.finish(done("late"));
    const { status, text } = await sent;
    assert.deepEqual([status, text], [200, "late"]);
    assert.ok(Date.now() >= notBefore);
  });

  test("and a wait that ends before them gets a receipt that says so", async () => {
    const { status, json, headers } = await sut.post(one, "{}", { "sluice-not-before": "1h", prefer: "wait=1" });
    assert.deepEqual([status, json.state], [202, "scheduled"]);
    assert.ok(Number(headers.get("retry-after")) > 3_500);
  });

  for (const name of ["sluice-not-before", "sluice-expires"]) {
    test(`is refused for what ${name} cannot be, and not stored`, async () => {
      const count = await acceptedCount();
      for (const value of hostile) {
        for (const path of [one, many]) {
          const answer = await sut.post(path, '{"body":1}', { [name]: value });
          assertProblem(answer, 400, "bad-parameter");
          assert.equal(answer.json.parameter, name);
          const rule =
            /^Sluice-(Not-Before|Expires) must be a time as in "2026-12-24T18:00:00Z", or a duration such as/;
          assert.match(answer.json.detail, rule);
          assert.ok(answer.json.detail.includes(`got ${JSON.stringify(value.slice(0, 80))}`), answer.json.detail);
        }
      }
      assert.equal(await acceptedCount(), count);
    });

    test(`is refused when ${name} comes twice, or with bytes that are no text`, async () => {
      const count = await acceptedCount();
      const head = `POST ${one} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n`;
      for (const fields of [`${name}: 5m\r\n${name}: 5m\r\n`, `${name}: 5m\u0001\r\n`, `${name}: 5m\r\n ${name}\r\n`])
        assert.match(await sut.raw(`${head}${fields}\r\n`), /^HTTP\/1\.1 400 /);
      assert.equal(await acceptedCount(), count);
    });
  }

  test("that contradict each other is refused", async () => {
    const answer = await sut.post(one, "{}", { "sluice-not-before": "2h", "sluice-expires": "1h" });
    assertProblem(answer, 400, "bad-parameter");
    assert.equal(answer.json.parameter, "sluice-expires");
    assert.match(answer.json.detail, /^Sluice-Expires must be a time after the one before which/);
  });

  test("has none where the route takes none", async () => {
    const answer = await sut.fetch("/v1/queues", { headers: { "sluice-not-before": "1h" } });
    assertProblem(answer, 400, "bad-parameter");
  });
});

describe("the lines of a batch", () => {
  async function timesOfAll({ status, json, text }: Answer): Promise<readonly (readonly unknown[])[]> {
    assert.equal(status, 202, text);
    return Promise.all(json.receipts.map(({ id }: { id: string }) => timesOf(id)));
  }

  test("have times of their own, and for what they do not name those of the batch's headers", async () => {
    const [from, until, ownFrom, ownUntil] = [1, 5, 2, 3].map((hours) => later(hours * hourMs));
    const lines = [
      { body: 1 },
      { body: 2, notBefore: ownFrom },
      { body: 3, expires: ownUntil },
      { body: 4, notBefore: ownFrom, expires: ownUntil },
    ];
    const ndjson = lines.map((line) => JSON.stringify(line)).join("\n");
    assert.deepEqual(
      await timesOfAll(await sut.post(many, ndjson, { "sluice-not-before": `${from}`, "sluice-expires": `${until}` })),
      [
        ["scheduled", from, until],
        ["scheduled", ownFrom, until],
        ["scheduled", from, ownUntil],
        ["scheduled", ownFrom, ownUntil],
      ],
    );
    assert.deepEqual(await timesOfAll(await sut.post(many, ndjson)), [
      ["waiting", null, null],
      ["scheduled", ownFrom, null],
      ["waiting", null, ownUntil],
      ["scheduled", ownFrom, ownUntil],
    ]);
  });

  test("say when to ask again: as soon as the first of them may begin", async () => {
    const retryAfter = async (...lines: readonly string[]): Promise<number> =>
      Number((await sut.post(many, lines.join("\n"))).headers.get("retry-after"));
    const twoHours = await retryAfter('{"body":1,"notBefore":"3h"}', '{"body":1,"notBefore":"2h"}');
    assert.ok(twoHours > 7_140 && twoHours <= 7_200, String(twoHours));
    assert.equal(await retryAfter('{"body":1,"notBefore":"3h"}', '{"body":1}'), 60);
  });

  test("may be CloudEvents, which take those of the headers", async () => {
    const event = { specversion: "1.0", type: "t", source: "/s", id: "1" };
    const body = JSON.stringify([event, { ...event, id: "2" }]);
    const [from, until] = [later(hourMs), later(2 * hourMs)];
    const headers = { ...events, "sluice-not-before": from, "sluice-expires": until };
    const expected = ["scheduled", from, until];
    assert.deepEqual(await timesOfAll(await sut.post(many, body, headers)), [expected, expected]);
  });

  test("are all refused for one bad time, which is named, and nothing is stored", async () => {
    const count = await acceptedCount();
    for (const name of ["notBefore", "expires"]) {
      for (const value of [...hostile, "\u0000", "\ud800", 5, null, {}, ["5m"], true]) {
        const lines = ['{"body":1}', "", JSON.stringify({ [name]: value, body: 2 }), '{"body":3}'];
        const answer = await sut.post(many, lines.join("\n"));
        assertProblem(answer, 400, "bad-batch-line");
        assert.equal(answer.json.line, 3);
        assert.match(answer.json.detail, new RegExp(`^line 3: (its )?${name} must be `));
        assert.ok(answer.json.detail.length < 700, answer.json.detail);
      }
    }
    assert.equal(await acceptedCount(), count);
  });

  test("name the line whose time contradicts another, or one of the headers", async () => {
    const count = await acceptedCount();
    for (const [line, headers] of [
      ['{"body":1,"notBefore":"2h","expires":"1h"}', {}],
      ['{"body":1,"notBefore":"2h"}', { "sluice-expires": "1h" }],
      ['{"body":1,"expires":"1h"}', { "sluice-not-before": "2h" }],
    ] as const) {
      const answer = await sut.post(many, `{"body":0,"notBefore":"5m","expires":"9h"}\n${line}`, headers);
      assertProblem(answer, 400, "bad-batch-line");
      assert.deepEqual([answer.json.line, answer.json.detail.startsWith("line 2: expires must be ")], [2, true]);
    }
    assert.equal(await acceptedCount(), count);
  });
});

test("with a rate known, what may not begin yet is expected after its time, and moves no other's", async () => {
  await using own = await GatewayUnderTest.open();
  using _worker = own.engine.attend("orders");
  const expectedIn = async (headers: Record<string, string> = {}): Promise<number> => {
    await own.fetch("/v1/queues/orders"); // a fresh reading
    const { json } = await own.post(one, "{}", headers);
    return Date.parse(json.expectedBy) - Date.now();
  };
  const before = await expectedIn();
  for (let sent = 0; sent < 30; sent += 1) {
    const ms = await expectedIn({ "sluice-not-before": "24h" });
    assert.ok(ms > 24 * hourMs - 60_000 && ms < 24 * hourMs + 60_000, String(ms));
  }
  const { json } = await own.fetch("/v1/requests?state=scheduled&limit=1");
  assert.ok(Date.parse(json.requests[0].expectedBy) > Date.now() + 24 * hourMs - soonMs);
  const keyed = { "idempotency-key": "again", "sluice-not-before": "24h" };
  await own.post(one, "{}", keyed);
  assert.equal((await own.post(one, "{}", keyed)).json.expectedBy, null, "a repeat does not know its time");
  const now = await expectedIn();
  assert.ok(now < before + 10_000, `${before} ms before, ${now} ms with thirty for tomorrow`);
});
