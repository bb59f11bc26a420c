import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../core/clock.ts";
import { defaultRetryPolicy } from "../core/retry.ts";
import { isFinal, type RequestStatus } from "../core/request.ts";
import type { RequestId } from "../core/request-id.ts";
import type { Engine } from "../engine/engine.ts";
import { openEmbedded } from "../engines/embedded/open.ts";
import { addressRule } from "../outbound/address-rule.ts";
import { plainTarget } from "../outbound/target.ts";
import { openLog } from "../telemetry/log.ts";
import { targetRunner } from "./target-runner.ts";
import { openWorker, type Worker } from "./worker.ts";

const log = openLog({ level: "silent", isPretty: false });
const queue = "orders";
let folder: string;
let engine: Engine;
let target: Server;
let port: number;
let answer: (request: IncomingMessage, response: ServerResponse, body: string) => void;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-target-"));
  engine = await openEmbedded({ folder, queues: [{ name: queue, backlogMax: 1_000, backlogBytesMax: 1_000_000 }] });
  target = await listen(0);
  ({ port } = target.address() as AddressInfo);
});

after(async () => {
  target.close();
  await engine.close();
  await rm(folder, { recursive: true });
});

async function listen(at: number): Promise<Server> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => answer(request, response, Buffer.concat(chunks).toString()));
  });
  await new Promise<void>((resolve) => server.listen(at, "127.0.0.1", resolve));
  return server;
}

function work(attemptsMax = 10, allow = ["127.0.0.1"]): Worker {
  const url = new URL(`http://127.0.0.1:${port}/process`);
  return openWorker({
    engine,
    queue,
    runner: targetRunner({
      target: plainTarget(url, addressRule({ allow })),
      clock: systemClock,
      connectionsMax: 4,
      resultBytesMax: 100,
      timeoutMs: 2_000,
      retryAfterMaxMs: 1_000,
    }),
    concurrency: 4,
    ratePerHour: undefined,
    timeoutMs: 2_000,
    retryPolicy: { ...defaultRetryPolicy, attemptsMax, backoffMs: 1 },
    clock: systemClock,
    random: () => 0.5,
    log,
  });
}

async function finish(body: string): Promise<RequestStatus> {
  const result = await engine.accept([
    {
      queue,
      key: undefined,
      contentType: "application/json",
      headers: { "ce-type": "order.placed", traceparent: "00-1-2-01" },
      body: Buffer.from(body),
    },
  ]);
  assert.equal(result.kind, "accepted");
  const { id } = result.receipts[0] as { id: RequestId };
  const { promise, resolve } = Promise.withResolvers<void>();
  using _watch = engine.watch(id, (change) => {
    if (change.kind === "state" && isFinal(change.state)) resolve();
  });
  if (!isFinal(((await engine.read(id)) as RequestStatus).state)) await promise;
  return (await engine.read(id)) as RequestStatus;
}

async function during<Value>(worker: Worker, run: () => Promise<Value>): Promise<Value> {
  try {
    return await run();
  } finally {
    await worker.drain({ graceMs: 1_000 });
  }
}

describe("a target", () => {
  it("gets the stored body with its headers, and its answer is the result", async () => {
    let seen: { headers: IncomingMessage["headers"]; body: string; method: string | undefined } | undefined;
    answer = ({ headers, method }, response, body) => {
      seen = { headers, method, body };
      response.writeHead(201, { "content-type": "text/csv" }).end("a,b");
    };
    const status = await during(work(), () => finish('{"sku":7}'));
    assert.equal(status.state, "done");
    assert.equal(seen?.method, "POST");
    assert.equal(seen?.body, '{"sku":7}');
    assert.equal(seen?.headers["content-type"], "application/json");
    assert.equal(seen?.headers["idempotency-key"], status.id);
    assert.equal(seen?.headers["sluice-request-id"], status.id);
    assert.equal(seen?.headers["sluice-attempt"], "1");
    assert.equal(seen?.headers["ce-type"], "order.placed");
    assert.equal(seen?.headers["traceparent"], "00-1-2-01");
    const result = await engine.readResult(status.id);
    assert.equal(result?.contentType, "text/csv");
    assert.equal(Buffer.from(result?.bytes ?? []).toString(), "a,b");
  });

  for (const status of [301, 400, 404, 422]) {
    it(`ends a request dead with ${status}`, async () => {
      answer = (_request, response) => void response.writeHead(status).end("no such sku");
      const { state, attempts, lastError } = await during(work(), () => finish("{}"));
      assert.equal(state, "dead");
      assert.equal(attempts, 1);
      assert.deepEqual(lastError, { code: "target-status", message: `the target answered ${status}: no such sku` });
    });
  }

  for (const status of [408, 425, 429, 500, 503]) {
    it(`is asked again after ${status}`, async () => {
      let asked = 0;
      answer = (_request, response) => {
        asked += 1;
        response.writeHead(asked === 1 ? status : 200, { "retry-after": "0" }).end();
      };
      const { state, attempts } = await during(work(), () => finish("{}"));
      assert.equal(state, "done");
      assert.equal(attempts, 2);
    });
  }

  it("waits as long as Retry-After says", async () => {
    const times: number[] = [];
    answer = (_request, response) => {
      times.push(performance.now());
      response.writeHead(times.length === 1 ? 503 : 200, { "retry-after": "1" }).end();
    };
    await during(work(), () => finish("{}"));
    assert.ok((times[1] as number) - (times[0] as number) >= 995);
  });

  it("ends a request dead when its answer is over the bound", async () => {
    answer = (_request, response) => void response.end("x".repeat(101));
    const { state, lastError } = await during(work(), () => finish("{}"));
    assert.equal(state, "dead");
    assert.equal(lastError?.code, "result-too-large");
  });

  it("whose address may not be called burns no attempts, says how to allow it, and is called once it is allowed", async () => {
    let asked = 0;
    answer = (_request, response) => {
      asked += 1;
      response.end("ok");
    };
    const result = await engine.accept([
      { queue, key: undefined, contentType: "text/plain", headers: undefined, body: Buffer.from("1") },
    ]);
    assert.equal(result.kind, "accepted");
    const { id } = result.receipts[0] as { id: RequestId };
    const { promise: putBack, resolve } = Promise.withResolvers<void>();
    const watch = engine.watch(id, (change) => {
      if (change.kind === "state" && change.state === "waiting") resolve();
    });
    await during(work(1, []), () => putBack);
    watch[Symbol.dispose]();
    const before = await engine.read(id);
    assert.equal(before?.attempts, 0);
    assert.equal(before?.lastError?.code, "address-refused");
    assert.match(before?.lastError?.message ?? "", /allow it with targets: \{ allow: \["127\.0\.0\.1"\] \}/);
    assert.equal(asked, 0);
    const { promise: done, resolve: end } = Promise.withResolvers<void>();
    using _watch = engine.watch(id, (change) => {
      if (change.kind === "state" && change.state === "done") end();
    });
    await during(work(1), () => done);
    assert.equal(asked, 1);
  });

  it("that is out burns no attempts, and is served again when it is back", async () => {
    answer = (_request, response) => void response.end("ok");
    target.closeAllConnections();
    await new Promise((resolve) => target.close(resolve));
    const worker = work(2);
    const outcomes = during(worker, () => Promise.all(Array.from({ length: 40 }, (_, n) => finish(String(n)))));
    await new Promise((resolve) => setTimeout(resolve, 1_500)); // the outage itself
    target = await listen(port);
    for (const { state, attempts } of await outcomes) {
      assert.equal(state, "done");
      assert.equal(attempts, 1);
    }
  });

  it("that answers 503 for a while burns no more attempts than it takes to see it", async () => {
    let isOut = true;
    let refused = 0;
    answer = (_request, response) => {
      if (isOut) refused += 1;
      response.writeHead(isOut ? 503 : 200).end();
    };
    const outcomes = during(work(), () => Promise.all(Array.from({ length: 40 }, (_, n) => finish(String(n)))));
    await new Promise((resolve) => setTimeout(resolve, 2_500)); // the outage itself
    isOut = false;
    const statuses = await outcomes;
    // Ten open the breaker, some ran beside them, and two rounds probe.
    assert.ok(refused <= 16, `${refused} attempts reached the target that was out`);
    assert.ok(statuses.every(({ state }) => state === "done"));
    const burnt = statuses.reduce((sum, { attempts }) => sum + attempts - 1, 0);
    assert.ok(burnt <= 4, `${burnt} attempts were burnt`);
  });
});
