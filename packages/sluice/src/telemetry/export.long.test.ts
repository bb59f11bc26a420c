import assert from "node:assert/strict";
import { test } from "node:test";
import { freePort, startCollector, startSluice, temporaryFolder, type Export } from "@sluice/testing";

const nowhere = ["--queue", "orders", "--target", "http://127.0.0.1:9/process"];

interface Point {
  readonly asDouble?: number;
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
}

/** The points of one metric in an export. */
function pointsOf({ body }: Export, name: string): readonly Point[] {
  const metrics = body.resourceMetrics.flatMap((one: { scopeMetrics: { metrics: { name: string }[] }[] }) =>
    one.scopeMetrics.flatMap((scope) => scope.metrics),
  );
  const metric = metrics.find((one: { name: string }) => one.name === name);
  return (metric?.gauge ?? metric?.sum)?.dataPoints ?? [];
}

function isIn(point: Point, state: string): boolean {
  return point.attributes.some(({ key, value }) => key === "state" && value.stringValue === state);
}

test("a collector gets the counts and the queues, and at the stop the last counts", { timeout: 120_000 }, async () => {
  await using folder = await temporaryFolder();
  await using collector = await startCollector();
  await using sluice = await startSluice({
    dataFolder: folder.path,
    args: [...nowhere, "--rate", "1/h"],
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_METRIC_EXPORT_INTERVAL: "300", OTEL_SERVICE_NAME: "shop" },
  });
  const send = () => fetch(`${sluice.url}/v1/queues/orders/requests`, { method: "POST", body: "{}" });
  await send();
  await send();
  const sum = (one: Export): number =>
    pointsOf(one, "sluice.backlog").reduce((total, { asDouble = 0 }) => total + asDouble, 0);
  const export2 = await collector.first((one) => sum(one) === 2);
  assert.equal(export2.path, "/v1/metrics");
  assert.ok(pointsOf(export2, "sluice.backlog").some((point) => isIn(point, "waiting")));
  const attributes = export2.body.resourceMetrics[0].resource.attributes;
  const resource = Object.fromEntries(
    attributes.map((one: { key: string; value: { stringValue: string } }) => [one.key, one.value.stringValue]),
  );
  assert.equal(resource["service.name"], "shop");
  assert.match(resource["service.instance.id"], /^up \d+ on /);

  await send();
  sluice.kill("SIGTERM");
  assert.equal((await sluice.exited).code, 0);
  const last = collector.exports.at(-1);
  assert.ok(last);
  assert.equal(pointsOf(last, "messaging.client.sent.messages")[0]?.asDouble, 3);
});

test("a collector that is out stops neither the start, nor intake, nor the stop", { timeout: 60_000 }, async () => {
  await using folder = await temporaryFolder();
  await using sluice = await startSluice({
    dataFolder: folder.path,
    args: nowhere,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://someone:hunter2@127.0.0.1:${await freePort()}`,
      OTEL_METRIC_EXPORT_INTERVAL: "300",
    },
  });
  const answer = await fetch(`${sluice.url}/v1/queues/orders/requests`, { method: "POST", body: "{}" });
  assert.equal(answer.status, 202);
  sluice.kill("SIGTERM");
  assert.equal((await sluice.exited).code, 0);
  assert.doesNotMatch(sluice.output(), /hunter2/);
});

test("without an endpoint nothing is sent, and with telemetry turned off neither", { timeout: 60_000 }, async () => {
  await using collector = await startCollector();
  for (const off of [{ OTEL_SDK_DISABLED: "true" }, { OTEL_METRICS_EXPORTER: "none", OTEL_TRACES_EXPORTER: "none" }]) {
    await using folder = await temporaryFolder();
    await using sluice = await startSluice({
      dataFolder: folder.path,
      args: nowhere,
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_METRIC_EXPORT_INTERVAL: "50", ...off },
    });
    await fetch(`${sluice.url}/v1/queues/orders/requests`, { method: "POST", body: "{}" });
    sluice.kill("SIGTERM");
    assert.equal((await sluice.exited).code, 0);
  }
  assert.deepEqual(collector.exports, []);
});
