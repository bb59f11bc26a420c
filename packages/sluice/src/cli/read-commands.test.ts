import assert from "node:assert/strict";
import { test } from "node:test";
import { openScriptedGateway, problem, requestOf, type Scripted } from "../../../client/test/scripted-gateway.ts";
import { runSluice } from "../../test/run-sluice.ts";

const rates = { m1: 200_000, m5: 0, h1: 0 };
const queue = {
  name: "orders",
  paused: false,
  accepted: 12_000,
  backlog: 1_200,
  backlogBytes: 5,
  oldestWaitingAt: null,
  workers: 2,
  breakersOpen: 0,
  ratePerHour: null,
  deliveries: { claimed: 30, running: 4, committing: 6 },
  counts: { waiting: 1_100, scheduled: 60, running: 40, done: 10_797, dead: 3, cancelled: 0 },
  rates: { accepted: rates, finished: { ...rates, m1: 100_000 }, observedSeconds: 60 },
  forecast: { kind: "grows", perMinute: 1_667 },
};

const audit = (missing: number) => ({
  holds: missing === 0,
  queues: [
    {
      queue: "orders",
      accepted: 10,
      waiting: 1,
      scheduled: 2,
      running: 3,
      done: 4 - missing,
      dead: 0,
      cancelled: 0,
      missing,
    },
  ],
  hours: [{ queue: "orders", hour: "2026-11-22T20:00:00.000Z", accepted: 10, missing }],
  findings:
    missing === 0
      ? []
      : [{ kind: "missing", queue: "orders", id: "id-1", what: "accepted, and not in the store", gap: null }],
});

function ok(body: unknown): Scripted {
  return { status: 200, body };
}

test("queues shows what waits, how fast it moves and the forecast", async () => {
  await using gateway = await openScriptedGateway(() =>
    ok({
      queues: [
        queue,
        { ...queue, name: "mail", paused: true, backlog: 0, forecast: { kind: "idle" } },
        {
          ...queue,
          name: "slow",
          breakersOpen: 2,
          rates: { ...queue.rates, observedSeconds: 59 },
          forecast: { kind: "stalled", since: new Date(Date.now() - 7_200_000).toISOString(), reason: "target-down" },
        },
      ],
    }),
  );
  const { stdout } = await runSluice({ args: ["queues"], url: gateway.url });
  const [title, orders, mail, slow] = stdout.split("\n").map((line) => line.trim().split(/ {2,}/));
  assert.deepEqual(title?.slice(0, 3), ["QUEUE", "BACKLOG", "WAITING"]);
  assert.deepEqual(
    orders,
    "orders 1,200 1,100 60 30 4 6 10,797 3 200,000 100,000 2 0".split(" ").concat("grows by 1,667 a minute"),
  );
  assert.equal(mail?.at(-1), "paused, idle");
  assert.deepEqual(slow?.slice(-5), ["-", "-", "2", "2", "stalled for 2h 00m: the target is down"]);
});

test("queues NAME asks for the one, and --json prints it as the API does", async () => {
  await using gateway = await openScriptedGateway(() => ok(queue));
  const { stdout } = await runSluice({ args: ["queues", "orders", "--json"], url: gateway.url });
  assert.deepEqual(JSON.parse(stdout), queue);
  assert.equal(gateway.seen[0]?.path, "/v1/queues/orders");
});

test("queues --watch goes on until it is interrupted, which is no failure", async () => {
  await using gateway = await openScriptedGateway(() => ok(queue));
  const { exitCode, stdout } = await runSluice({
    args: ["queues", "orders", "--watch"],
    url: gateway.url,
    during: async (child) => {
      await gateway.arrival(2);
      child.kill("SIGINT");
    },
  });
  assert.equal(exitCode, 0);
  assert.ok(stdout.startsWith("QUEUE"));
});

test("audit ends with 0 when the law holds", async () => {
  await using gateway = await openScriptedGateway(() => ok(audit(0)));
  const { exitCode, stdout } = await runSluice({ args: ["audit"], url: gateway.url });
  assert.equal(exitCode, 0);
  assert.match(stdout, /^QUEUE +ACCEPTED.*\norders +10 +1 +2 +3 +4 +0 +0 +0\n\nThe law holds/);
});

test("audit ends with 1 when the law does not hold, with --json as well", async () => {
  await using gateway = await openScriptedGateway(() => ok(audit(1)));
  const forPeople = await runSluice({ args: ["audit"], url: gateway.url });
  assert.equal(forPeople.exitCode, 1);
  assert.match(
    forPeople.stdout,
    /\nmissing +orders +id-1 +accepted, and not in the store\n\nThe law does not hold: 1 missing, 1 found\./,
  );
  const forScripts = await runSluice({ args: ["audit", "--json"], url: gateway.url });
  assert.equal(forScripts.exitCode, 1);
  assert.deepEqual(JSON.parse(forScripts.stdout), audit(1));
});

test("audit ends with 1 when the chain has a gap though the counts agree, and says how many are missing", async () => {
  const [from, to] = ["2026-11-22T20:00:00.000Z", "2026-11-22T20:00:03.000Z"];
  const gap = { chain: "id-0", place: 12, requests: 66, after: "id-1", before: "id-9", from, to };
  const finding = { kind: "gap", queue: "orders", id: "id-9", what: "66 missing before it", gap };
  await using gateway = await openScriptedGateway(() => ok({ ...audit(0), holds: false, findings: [finding] }));
  const { exitCode, stdout } = await runSluice({ args: ["audit"], url: gateway.url });
  assert.equal(exitCode, 1);
  assert.match(
    stdout,
    /\ngap +orders +id-9 +66 missing before it\n\n.*: 0 missing, 66 in gaps of the chain, 1 found\./,
  );
});

test("an output that takes no more changes no verdict; without one, a reader that is gone is no failure", async () => {
  await using gateway = await openScriptedGateway(({ path }) =>
    ok(path.endsWith("/queues") ? { queues: [queue] } : audit(1)),
  );
  const exitCodeOf = async (args: readonly string[], stdout: "closed" | "full") =>
    (await runSluice({ args, url: gateway.url, stdout })).exitCode;
  assert.deepEqual([await exitCodeOf(["audit"], "closed"), await exitCodeOf(["audit"], "full")], [1, 1]);
  assert.deepEqual([await exitCodeOf(["queues"], "closed"), await exitCodeOf(["queues"], "full")], [0, 1]);
});

test("audit counts by hour when asked, and heals before it counts", async () => {
  await using gateway = await openScriptedGateway(({ path }) => ok(path.endsWith("/heal") ? { healed: 2 } : audit(0)));
  const { stdout } = await runSluice({ args: ["audit", "--hours", "--heal"], url: gateway.url });
  assert.match(stdout, /^Told the broker again of 2\.\n/);
  assert.match(stdout, /\nHOUR +QUEUE +ACCEPTED +MISSING\n2026-11-22T20:00:00\.000Z +orders +10 +0\n/);
  assert.deepEqual(
    gateway.seen.map(({ method, path }) => `${method} ${path}`),
    ["POST /v1/audit/heal", "GET /v1/audit"],
  );
});

test("audit --order ends with 1 when a key was inverted and shows where, and with 0 when none was", async () => {
  const line = { queue: "orders", keys: 10, requests: 1_000 };
  const [first, second] = [
    { id: "id-1", startedAt: "2026-11-22T20:00:00.000Z", finishedAt: null },
    { id: "id-2", startedAt: "2026-11-22T20:00:01.000Z", finishedAt: "2026-11-22T20:00:02.000Z" },
  ];
  const report = {
    holds: false,
    queues: [{ ...line, inversions: 1 }],
    inversions: [{ queue: "orders", order: "account-1", first, second }],
  };
  await using gateway = await openScriptedGateway((_, nth) =>
    ok(nth < 3 ? report : { holds: true, queues: [{ ...line, inversions: 0 }], inversions: [] }),
  );
  const inverted = await runSluice({ args: ["audit", "--order"], url: gateway.url });
  assert.equal(inverted.exitCode, 1);
  assert.match(inverted.stdout, /^QUEUE +KEYS +REQUESTS +INVERSIONS\norders +10 +1,000 +1\n/);
  assert.match(inverted.stdout, /\norders +account-1 +id-1 +2026-11-22T20:00:00\.000Z to no outcome +id-2 /);
  const forScripts = await runSluice({ args: ["audit", "--order", "--json"], url: gateway.url });
  assert.deepEqual([forScripts.exitCode, JSON.parse(forScripts.stdout)], [1, report]);
  const kept = await runSluice({ args: ["audit", "--order"], url: gateway.url });
  assert.equal(kept.exitCode, 0);
  assert.match(kept.stdout, /\nNo order key was inverted\.\n$/);
  assert.equal(gateway.seen[0]?.path, "/v1/audit/order");
  assert.equal((await runSluice({ args: ["audit", "--order", "--heal"], url: gateway.url })).exitCode, 64);
});

test("audit --receipt tells whether it is stored, and ends with 1 when it is not", async () => {
  const verdicts = ["stored", "missing", "gap", "changed"];
  await using gateway = await openScriptedGateway((_, nth) =>
    ok({ id: "id-1", verdict: verdicts[nth - 1], link: { chain: "id-0", place: 3 } }),
  );
  const stored = await runSluice({ args: ["audit", "--receipt", "id-1"], url: gateway.url });
  assert.deepEqual(
    [stored.exitCode, stored.stdout],
    [0, "It was accepted, and is stored.\nPlace 3 of the chain that begins with id-0.\n"],
  );
  const missing = await runSluice({ args: ["audit", "--receipt", "id-1"], url: gateway.url });
  assert.equal(missing.exitCode, 1);
  assert.match(missing.stdout, /it is lost/);
  const gap = await runSluice({ args: ["audit", "--receipt", "id-1"], url: gateway.url });
  assert.equal(gap.exitCode, 1);
  assert.match(gap.stdout, /a request of this time is missing/);
  const changed = await runSluice({ args: ["audit", "--receipt", "id-1"], url: gateway.url });
  assert.equal(changed.exitCode, 1);
  assert.match(changed.stdout, /with another body/);
});

test("get shows the request, with the control characters that came with it spelled out", async () => {
  const lastError = { code: "handler-threw", message: "bad\u001b[2J\nsku" };
  const times = { notBefore: "2026-12-24T18:00:00.000Z", expires: null };
  await using gateway = await openScriptedGateway(() =>
    ok(requestOf("id-1", { state: "scheduled", lastError, ...times })),
  );
  const { stdout } = await runSluice({ args: ["get", "id-1"], url: gateway.url });
  assert.match(stdout, /^id +id-1\n/);
  assert.match(stdout, /\nlast error +handler-threw: bad\\u001b\[2J sku\n/);
  assert.match(stdout, /\nnot before +2026-12-24T18:00:00\.000Z\n/);
  assert.doesNotMatch(stdout, /\nexpires/);
});

test("get --wait --result waits for the outcome and prints the result's bytes alone", async () => {
  await using gateway = await openScriptedGateway(({ path }, nth) =>
    path.endsWith("/result")
      ? { status: 200, headers: { "content-type": "text/plain" }, body: "né" }
      : ok(requestOf("id-1", { state: nth === 1 ? "running" : "done" })),
  );
  const { exitCode, stdout } = await runSluice({ args: ["get", "id-1", "--result", "--wait=60s"], url: gateway.url });
  assert.equal(exitCode, 0);
  assert.equal(stdout, "né");
  assert.equal(gateway.seen.length, 3);
});

test("get --wait ends with 75 when the time is over", async () => {
  await using gateway = await openScriptedGateway(() => ok(requestOf("id-1")));
  const { exitCode, stderr } = await runSluice({ args: ["get", "id-1", "--wait=10ms"], url: gateway.url });
  assert.equal(exitCode, 75);
  assert.match(stderr, /request id-1 is waiting after a wait of 10 ms/);
});

test("get --result ends with 75 while there is no outcome, and with 1 when the request is dead", async () => {
  await using gateway = await openScriptedGateway((_, nth) =>
    nth === 1
      ? problem(409, "not-finished", { retryAfter: "5" })
      : problem(409, "dead", { error: { code: "rejected", message: "no" } }),
  );
  assert.equal((await runSluice({ args: ["get", "id-1", "--result"], url: gateway.url })).exitCode, 75);
  assert.equal((await runSluice({ args: ["get", "id-1", "--result"], url: gateway.url })).exitCode, 1);
});

test("dead list asks for dead requests alone and shows their errors", async () => {
  const lastError = { code: "target-status", message: "answered 500" };
  const dead = requestOf("id-1", { state: "dead", attempts: 10, lastError });
  await using gateway = await openScriptedGateway(() => ok({ requests: [dead], nextCursor: "more" }));
  const { stdout } = await runSluice({ args: ["dead", "list", "--queue", "orders", "--limit", "1"], url: gateway.url });
  assert.equal(gateway.seen[0]?.query.toString(), "queue=orders&limit=1&state=dead");
  assert.match(stdout, /\nid-1 +orders +10 +target-status: answered 500\n/);
  assert.match(stdout, /There are more/);
});

test("dead replay of a queue sends the filter and prints how many of how many, and the limit", async () => {
  const found = { total: 17_656, limit: 1_000, matched: 1_000, replayed: 0, dryRun: true };
  await using gateway = await openScriptedGateway((_, nth) =>
    ok(nth === 1 ? found : { ...found, replayed: 1_000, dryRun: false }),
  );
  const args = ["dead", "replay", "--queue", "orders", "--error", "timeout", "--limit", "9", "--dry-run"];
  const { stdout } = await runSluice({ args, url: gateway.url });
  assert.equal(stdout, "would replay 1,000 of 17,656 dead requests with the error timeout in orders (limit 1,000)\n");
  assert.equal(gateway.seen[0]?.path, "/v1/queues/orders/replay");
  assert.deepEqual(JSON.parse(String(gateway.seen[0]?.body)), { error: "timeout", limit: 9, dryRun: true });
  const replayed = await runSluice({ args: ["dead", "replay", "--queue", "orders"], url: gateway.url });
  assert.equal(replayed.stdout, "replayed 1,000 of 17,656 dead requests in orders (limit 1,000)\n");
});

test("dead replay of a queue that ends without an answer says that the gateway may go on", async () => {
  await using gateway = await openScriptedGateway(() => "hang");
  const { exitCode, stderr } = await runSluice({
    args: ["dead", "replay", "--queue", "orders"],
    url: gateway.url,
    during: async (child) => {
      await gateway.arrival(1);
      child.kill("SIGINT");
    },
  });
  assert.equal(exitCode, 75);
  assert.match(
    stderr,
    /^sluice: interrupted\nThe gateway may go on replaying: --dry-run tells how many are still dead\.$/m,
  );
});

test("dead replay of one request posts to it", async () => {
  await using gateway = await openScriptedGateway(() => ({ status: 202, body: requestOf("id-1") }));
  const { stdout } = await runSluice({ args: ["dead", "replay", "id-1"], url: gateway.url });
  assert.equal(stdout, "replayed id-1\n");
  assert.deepEqual([gateway.seen[0]?.method, gateway.seen[0]?.path], ["POST", "/v1/requests/id-1/replay"]);
});
