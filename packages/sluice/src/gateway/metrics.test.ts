import assert from "node:assert/strict";
import { test } from "node:test";
import { runPromtool } from "@sluice/testing";
import { dead, done, GatewayUnderTest } from "../../test/gateway-under-test.ts";
import { lineSettingsDefault } from "../core/line-settings.ts";
import { metrics, prometheusName, type MetricName } from "../telemetry/metrics.ts";

/** The value of each series, by its name and labels as they stand on the page. */
async function pageOf(sut: GatewayUnderTest): Promise<ReadonlyMap<string, number>> {
  const { status, headers, text } = await sut.fetch("/metrics");
  assert.equal(status, 200);
  assert.match(headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

test("the page tells each queue as the store has it", async () => {
  await using sut = await GatewayUnderTest.open();
  for (let count = 0; count < 5; count += 1) await sut.accepted();
  await sut.finish(done("x"));
  await sut.finish(dead);
  await sut.deliver();
  await sut.post("/v1/queues/mails/pause");
  using _closed = sut.engine.attend("mails");
  using open = sut.engine.attend("mails");
  open.breakerOpen(true);
  const page = await pageOf(sut);
  const expected = {
    'sluice_accepted_total{queue="orders"}': 5,
    'sluice_accepted_total{queue="mails"}': 0,
    'sluice_backlog{queue="orders",state="waiting"}': 2,
    'sluice_backlog{queue="orders",state="running"}': 1,
    'sluice_backlog{queue="orders",state="scheduled"}': 0,
    'sluice_outcomes{queue="orders",state="done"}': 1,
    'sluice_outcomes{queue="orders",state="dead"}': 1,
    'sluice_outcomes{queue="orders",state="cancelled"}': 0,
    'sluice_backlog_size_bytes{queue="orders"}': 6,
    'sluice_oldest_age_goal_seconds{queue="orders"}': 60,
    'sluice_desired_replicas{queue="orders"}': 1,
    'sluice_paused{queue="orders"}': 0,
    'sluice_paused{queue="mails"}': 1,
    'sluice_workers{queue="orders"}': 0,
    'sluice_workers{queue="mails"}': 2,
    'sluice_breaker_open{queue="mails"}': 1,
  };
  for (const [series, value] of Object.entries(expected)) assert.equal(page.get(series), value, series);
  const stalled = page.get('sluice_forecast_stalled_seconds{queue="orders",reason="no-workers"}') ?? -1;
  assert.ok(stalled >= 0 && stalled < 60, String(stalled));
  assert.equal(page.get('sluice_forecast_drain_seconds{queue="orders"}'), undefined);
  assert.ok((page.get('sluice_oldest_age_seconds{queue="orders"}') ?? -1) >= 0);
});

test("the replicas that a queue should have are the same on the page and at its /scaling", async () => {
  await using sut = await GatewayUnderTest.open();
  const desired = async (): Promise<readonly unknown[]> => {
    const { json } = await sut.fetch("/v1/queues/mails/scaling");
    return [(await pageOf(sut)).get('sluice_desired_replicas{queue="mails"}'), json.desiredReplicas];
  };
  await sut.engine.askReplicas("mails", 3);
  assert.deepEqual(await desired(), [3, 3], "they are let go after the hold only");
});

test("looks within a second share one reading of the store", async () => {
  await using sut = await GatewayUnderTest.open();
  const backlog = sut.engine.backlog.bind(sut.engine);
  let readings = 0;
  sut.engine.backlog = () => {
    readings += 1;
    return backlog();
  };
  await Promise.all([pageOf(sut), pageOf(sut), pageOf(sut)]);
  assert.equal(readings, 1);
});

test("the page tells the ten largest groups of a queue and its held order keys, whatever senders call them", async () => {
  await using sut = await GatewayUnderTest.open({ lines: { ...lineSettingsDefault, afterDead: "hold" } });
  const send = (line: object, count: number) =>
    sut.post("/v1/queues/orders/batches", `${JSON.stringify({ body: 1, ...line })}\n`.repeat(count));
  await send({ order: "key" }, 2);
  await sut.finish(dead);
  const hostile = String.raw`"} 1\n# {queue="x\\`;
  await send({ group: hostile }, 13);
  for (let no = 0; no < 20; no += 1) await send({ group: `tenant-${no}` }, 1 + (no % 12));
  await send({ priority: 0 }, 30); // no group
  await sut.deliver();
  const { text } = await sut.fetch("/metrics");
  const lines = text.split("\n");
  const label = hostile.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  assert.ok(lines.includes(`sluice_group_backlog{queue="orders",group="${label}"} 13`), text);
  assert.ok(lines.includes('sluice_held_order_keys{queue="orders"} 1'), text);
  for (const name of ["sluice_group_backlog", "sluice_group_in_flight"]) {
    const series = lines.filter((line) => line.startsWith(`${name}{`));
    assert.equal(series.length, 10, series.join("\n"));
    assert.ok(
      series.every((line) => line.startsWith(`${name}{queue="orders",group="`)),
      "none without a name",
    );
  }
  assert.ok(!text.includes('sluice_held_order_keys{queue="mails"}'), "a queue without lines");
  assert.deepEqual(await runPromtool(["check", "metrics"], text), { exitCode: 0, output: "" });
  await send({ group: "huge" }, 50);
  assert.ok(!(await sut.fetch("/metrics")).text.includes("huge"), "read again within fifteen seconds");
});

test("answers are timed by the route's template, the method and the status, whatever clients ask for", async () => {
  await using sut = await GatewayUnderTest.open();
  const id = await sut.accepted();
  await sut.fetch(`/v1/requests/${id}`);
  await sut.fetch(`/v1/requests/${id}/body`); // sent past Fastify
  await sut.fetch("/v1/queues/secret-name/requests", { method: "POST" });
  await sut.fetch("/somewhere/else?token=hunter2");
  const page = await pageOf(sut);
  const count = (method: string, route: string, status: number): number | undefined => {
    const ofRoute = route === "" ? "" : `,http_route="${route}"`;
    const labels = `http_request_method="${method}"${ofRoute},http_response_status_code="${status}"`;
    return page.get(`http_server_request_duration_seconds_count{${labels}}`);
  };
  assert.equal(count("POST", "/v1/queues/:queue/requests", 202), 1);
  assert.equal(count("POST", "/v1/queues/:queue/requests", 404), 1);
  assert.equal(count("GET", "/v1/requests/:id", 200), 1);
  assert.equal(count("GET", "/v1/requests/:id/body", 200), 1);
  assert.equal(count("GET", "", 404), 1);
  assert.doesNotMatch([...page.keys()].join("\n"), new RegExp(`${id}|secret-name|hunter2`));
});

test("the page tells whether the gateway takes new work, and what is out", async () => {
  await using sut = await GatewayUnderTest.open();
  assert.equal((await pageOf(sut)).get("sluice_ready"), 1);
  await using full = await GatewayUnderTest.open({ diskFreeMin: 2 ** 60 });
  let page = await pageOf(full);
  while (page.get("sluice_ready") === 1) page = await pageOf(full); // until the writer has looked at its disk
  assert.equal(page.get('sluice_problem{code="disk-full"}'), 1);
});

test("promtool has nothing to say against the page", async () => {
  await using sut = await GatewayUnderTest.open();
  await sut.accepted();
  const { text } = await sut.fetch("/metrics");
  assert.deepEqual(await runPromtool(["check", "metrics"], text), { exitCode: 0, output: "" });
});

test("the page stays when the store cannot be read, without what is read from it", async () => {
  await using sut = await GatewayUnderTest.open();
  await sut.accepted();
  sut.engine.backlog = () => Promise.reject(new Error("out"));
  const page = await pageOf(sut);
  assert.ok([...page.keys()].some((series) => series.startsWith("http_server_request_duration_seconds_count")));
  assert.ok(![...page.keys()].some((series) => series.startsWith("sluice_backlog")));
});

test("every name on the page is one of the table", async () => {
  await using sut = await GatewayUnderTest.open();
  await sut.accepted();
  const { text } = await sut.fetch("/metrics");
  const told = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]);
  const known = new Set((Object.keys(metrics) as MetricName[]).map(prometheusName));
  assert.ok(told.length > 10);
  assert.deepEqual(
    told.filter((name) => !known.has(name ?? "")),
    [],
  );
});
