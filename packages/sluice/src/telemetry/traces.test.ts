// One trace from the client's request to the target's answer, as a collector gets it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startCollector, startSluice, temporaryFolder, type Collector, type Export } from "@sluice/testing";

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number };
}

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status: { readonly code?: number };
}

const kinds = { internal: 1, client: 3, producer: 4, consumer: 5 } as const;
const client = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7" };
const clientHeaders = {
  traceparent: `00-${client.traceId}-${client.spanId}-01`,
  tracestate: "shop=1",
  "idempotency-key": "secret-key-417",
};

function spansOf(collector: Collector): readonly Span[] {
  const scopes = collector.exports.flatMap(({ body }: Export) =>
    (body.resourceSpans ?? []).flatMap((one: { scopeSpans: { spans: Span[] }[] }) => one.scopeSpans),
  );
  return scopes.flatMap(({ spans }: { spans: readonly Span[] }) => spans);
}

/** The spans once one of the name has come. */
async function spansWith(collector: Collector, name: string): Promise<readonly Span[]> {
  await collector.first(() => spansOf(collector).some((span) => span.name === name));
  return spansOf(collector);
}

function named(spans: readonly Span[], name: string): Span {
  const span = spans.find((one) => one.name === name);
  assert.ok(span, `${name} is among ${spans.map((one) => one.name).join(", ")}`);
  return span;
}

function attributesOf({ attributes }: Span): Readonly<Record<string, unknown>> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]));
}

function envFor(collector: Collector): Record<string, string> {
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_METRICS_EXPORTER: "none",
    OTEL_BSP_SCHEDULE_DELAY: "50",
  };
}

interface Target extends AsyncDisposable {
  readonly url: string;
  readonly asked: Promise<IncomingHttpHeaders>;
}

async function startTarget(status: number): Promise<Target> {
  const { promise: asked, resolve } = Promise.withResolvers<IncomingHttpHeaders>();
  const server = createServer((request, response) => {
    resolve(request.headers);
    response.writeHead(status).end("secret answer 91");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://someone:hunter2@127.0.0.1:${(server.address() as AddressInfo).port}/process?token=hunter3`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

test("a client's trace goes through intake, wait and attempt to the target", { timeout: 120_000 }, async () => {
  await using folder = await temporaryFolder();
  await using collector = await startCollector();
  await using target = await startTarget(200);
  const args = ["--queue", "orders", "--target", target.url];
  await using sluice = await startSluice({ dataFolder: folder.path, args, env: envFor(collector) });
  const url = `${sluice.url}/v1/queues/orders/requests`;
  const answer = await fetch(url, { method: "POST", body: "secret body 5", headers: clientHeaders });
  const { id } = (await answer.json()) as { readonly id: string };

  const spans = await spansWith(collector, "settle orders");
  const accept = named(spans, "accept orders");
  assert.deepEqual([accept.traceId, accept.parentSpanId, accept.kind], [client.traceId, client.spanId, kinds.producer]);
  assert.equal(attributesOf(accept)["messaging.message.id"], id);
  assert.equal(attributesOf(accept)["messaging.operation.type"], "send");

  const wait = named(spans, "wait orders");
  const attempt = named(spans, "process orders");
  const call = named(spans, "POST");
  const settle = named(spans, "settle orders");
  for (const span of [wait, attempt, call, settle]) assert.equal(span.traceId, client.traceId, span.name);
  assert.deepEqual([wait.parentSpanId, wait.kind], [accept.spanId, kinds.internal]);
  assert.deepEqual([attempt.parentSpanId, attempt.kind], [accept.spanId, kinds.consumer]);
  assert.deepEqual(
    attempt.links?.map(({ spanId }) => spanId),
    [accept.spanId],
  );
  assert.deepEqual([call.parentSpanId, call.kind], [attempt.spanId, kinds.client]);
  assert.equal(settle.parentSpanId, accept.spanId);
  assert.deepEqual(
    named(spans, "deliver orders").links?.map(({ spanId }) => spanId),
    [accept.spanId],
  );
  for (const { startTimeUnixNano: start, endTimeUnixNano: end } of spans) assert.ok(BigInt(end) >= BigInt(start));

  const { traceparent, tracestate } = await target.asked;
  assert.equal(traceparent, `00-${client.traceId}-${call.spanId}-01`);
  assert.equal(tracestate, "shop=1");
  assert.doesNotMatch(JSON.stringify(collector.exports), /secret|hunter/);
});

test("a failed attempt is an error with its code, and not with the target's words", { timeout: 120_000 }, async () => {
  await using folder = await temporaryFolder();
  await using collector = await startCollector();
  await using target = await startTarget(422);
  const args = ["--queue", "orders", "--target", target.url];
  await using sluice = await startSluice({ dataFolder: folder.path, args, env: envFor(collector) });
  await fetch(`${sluice.url}/v1/queues/orders/requests`, { method: "POST", body: "{}", headers: clientHeaders });
  const spans = await spansWith(collector, "settle orders");
  for (const name of ["process orders", "POST"]) {
    const span = named(spans, name);
    assert.deepEqual([span.status.code, attributesOf(span)["error.type"]], [2, "target-status"]);
  }
  assert.doesNotMatch(JSON.stringify(collector.exports), /secret|hunter/);
});

test("a handler in a process of its own has the trace in its headers", { timeout: 120_000 }, async () => {
  await using folder = await temporaryFolder();
  await using collector = await startCollector();
  const configFile = join(folder.path, "sluice.config.ts");
  await writeFile(
    configFile,
    "export default { queues: { orders: { handle: ({ headers }) => headers.traceparent } } };",
  );
  const args = ["--processes", "1"];
  await using sluice = await startSluice({
    dataFolder: join(folder.path, "data"),
    configFile,
    args,
    env: envFor(collector),
  });
  const headers = { ...clientHeaders, prefer: "wait=30" };
  const url = `${sluice.url}/v1/queues/orders/requests`;
  const result = await (await fetch(url, { method: "POST", body: "{}", headers })).text();
  const attempt = named(await spansWith(collector, "process orders"), "process orders");
  assert.equal(result, `00-${client.traceId}-${attempt.spanId}-01`);
});

test(
  "what the client's trace does not sample is not sent, and travels on unsampled",
  { timeout: 120_000 },
  async () => {
    await using folder = await temporaryFolder();
    await using collector = await startCollector();
    await using target = await startTarget(200);
    const args = ["--queue", "orders", "--target", target.url];
    await using sluice = await startSluice({ dataFolder: folder.path, args, env: envFor(collector) });
    const headers = { traceparent: `00-${client.traceId}-${client.spanId}-00` };
    await fetch(`${sluice.url}/v1/queues/orders/requests`, { method: "POST", body: "{}", headers });
    const { traceparent } = await target.asked;
    assert.match(String(traceparent), new RegExp(`^00-${client.traceId}-[0-9a-f]{16}-00$`));
    sluice.kill("SIGTERM");
    assert.equal((await sluice.exited).code, 0);
    assert.deepEqual(
      spansOf(collector).filter(({ traceId }) => traceId === client.traceId),
      [],
    );
  },
);

test("where no endpoint is set the client's trace goes to the target as it came", { timeout: 120_000 }, async () => {
  await using folder = await temporaryFolder();
  await using target = await startTarget(200);
  const args = ["--queue", "orders", "--target", target.url];
  await using sluice = await startSluice({ dataFolder: folder.path, args });
  await fetch(`${sluice.url}/v1/queues/orders/requests`, { method: "POST", body: "{}", headers: clientHeaders });
  const { traceparent, tracestate } = await target.asked;
  assert.deepEqual([traceparent, tracestate], [clientHeaders.traceparent, clientHeaders.tracestate]);
});
