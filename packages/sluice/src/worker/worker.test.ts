import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../core/clock.ts";
import { defaultRetryPolicy } from "../core/retry.ts";
import { isFinal, type RequestStatus, type State } from "../core/request.ts";
import type { RequestId } from "../core/request-id.ts";
import type { Engine } from "../engine/engine.ts";
import { openEmbedded } from "../engines/embedded/open.ts";
import { openLog } from "../telemetry/log.ts";
import { handlerRunner } from "./handler-runner.ts";
import { Reject, RetryLater, type Handler } from "./handler.ts";
import { openWorker, type Worker, type WorkerOptions } from "./worker.ts";

const log = openLog({ level: "silent", isPretty: false });
let folder: string;
let engine: Engine;
let queueCount = 0;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-worker-"));
  const names = Array.from({ length: 20 }, (_, index) => `q${index}`);
  engine = await openEmbedded({
    folder,
    queues: names.map((name) => ({ name, backlogMax: 1_000, backlogBytesMax: 1_000_000 })),
  });
});

after(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

/** Each test has a queue of its own. */
function nextQueue(): string {
  queueCount += 1;
  return `q${queueCount - 1}`;
}

function work(queue: string, handle: Handler, options: Partial<WorkerOptions> = {}): Worker {
  return openWorker({
    engine,
    queue,
    runner: handlerRunner({ handle, resultBytesMax: 1_000, log }),
    concurrency: 4,
    ratePerHour: undefined,
    timeoutMs: 5_000,
    retryPolicy: { ...defaultRetryPolicy, backoffMs: 1 },
    clock: systemClock,
    random: () => 0.5,
    log,
    ...options,
  });
}

async function send(queue: string, body: unknown): Promise<RequestId> {
  const bytes = Buffer.from(JSON.stringify(body));
  const result = await engine.accept([
    { queue, key: undefined, contentType: "application/json", headers: undefined, body: bytes },
  ]);
  assert.equal(result.kind, "accepted");
  return (result.receipts[0] as { id: RequestId }).id;
}

/** Waits for a state that fits, by the engine's notices. */
async function reach(id: RequestId, fits: (state: State) => boolean): Promise<RequestStatus> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _watch = engine.watch(id, (change) => {
    if (change.kind === "state" && fits(change.state)) resolve();
  });
  if (!fits(((await engine.read(id)) as RequestStatus).state)) await promise;
  return (await engine.read(id)) as RequestStatus;
}

const finished = (id: RequestId): Promise<RequestStatus> => reach(id, isFinal);

describe("a worker", () => {
  it("runs the handler and keeps its result", async () => {
    const queue = nextQueue();
    const worker = work(queue, (request) => ({ doubled: (request.json() as { n: number }).n * 2 }));
    const status = await finished(await send(queue, { n: 21 }));
    assert.equal(status.state, "done");
    assert.equal(status.attempts, 1);
    const result = await engine.readResult(status.id);
    assert.equal(Buffer.from(result?.bytes ?? []).toString(), '{"doubled":42}');
    await worker.drain({ graceMs: 1_000 });
  });

  it("runs no more attempts at once than its concurrency", async () => {
    const queue = nextQueue();
    let running = 0;
    let most = 0;
    const worker = work(queue, async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
    });
    const ids = await Promise.all(Array.from({ length: 30 }, (_, n) => send(queue, n)));
    await Promise.all(ids.map(finished));
    assert.equal(most, 4);
    await worker.drain({ graceMs: 1_000 });
  });

  it("tries again after a failure, and counts the attempts", async () => {
    const queue = nextQueue();
    const attempts: number[] = [];
    const worker = work(queue, (_request, { attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throw new Error("not yet");
    });
    const status = await finished(await send(queue, {}));
    assert.deepEqual(attempts, [1, 2, 3]);
    assert.equal(status.state, "done");
    assert.equal(status.attempts, 3);
    assert.deepEqual(status.lastError, { code: "handler-threw", message: "not yet" });
    await worker.drain({ graceMs: 1_000 });
  });

  it("gives up at the last attempt", async () => {
    const queue = nextQueue();
    const fail = (): never => {
      throw new Error("never");
    };
    const worker = work(queue, fail, { retryPolicy: { ...defaultRetryPolicy, backoffMs: 1, attemptsMax: 2 } });
    const status = await finished(await send(queue, {}));
    assert.equal(status.state, "dead");
    assert.equal(status.attempts, 2);
    await worker.drain({ graceMs: 1_000 });
  });

  it("makes a rejected request dead at once", async () => {
    const queue = nextQueue();
    const worker = work(queue, () => {
      throw new Reject("no such sku");
    });
    const status = await finished(await send(queue, {}));
    assert.equal(status.state, "dead");
    assert.equal(status.attempts, 1);
    assert.deepEqual(status.lastError, { code: "rejected", message: "no such sku" });
    await worker.drain({ graceMs: 1_000 });
  });

  it("comes back later when the handler asks, and counts no attempt", async () => {
    const queue = nextQueue();
    let runs = 0;
    const worker = work(queue, () => {
      runs += 1;
      if (runs === 1) throw new RetryLater(30);
    });
    const id = await send(queue, {});
    const asked = await reach(id, (state) => state === "scheduled");
    assert.equal(asked.attempts, 0);
    assert.ok((asked.nextAttemptAt as number) > Date.now() - 1_000);
    assert.equal((await finished(id)).attempts, 1);
    assert.equal(runs, 2);
    await worker.drain({ graceMs: 1_000 });
  });

  it("ends an attempt at its timeout, also when the handler ignores the signal", async () => {
    const queue = nextQueue();
    let wasAborted = false;
    const worker = work(
      queue,
      (_request, { signal }) => {
        signal.addEventListener("abort", () => void (wasAborted = true));
        return new Promise(() => {});
      },
      { timeoutMs: 20, retryPolicy: { ...defaultRetryPolicy, attemptsMax: 1 } },
    );
    const status = await finished(await send(queue, {}));
    assert.equal(status.lastError?.code, "timeout");
    assert.equal(wasAborted, true);
    await worker.drain({ graceMs: 1_000 });
  });

  it("refuses a result over the bound", async () => {
    const queue = nextQueue();
    const worker = work(queue, () => "x".repeat(1_001));
    const status = await finished(await send(queue, {}));
    assert.equal(status.state, "dead");
    assert.equal(status.lastError?.code, "result-too-large");
    await worker.drain({ graceMs: 1_000 });
  });

  it("shows the progress that a handler reports", async () => {
    const queue = nextQueue();
    const gate = Promise.withResolvers<void>();
    const worker = work(queue, async (_request, { progress }) => {
      progress({ percent: 40 });
      await gate.promise;
    });
    const id = await send(queue, {});
    const running = await reach(id, (state) => state === "running");
    assert.deepEqual(running.progress, { percent: 40 });
    gate.resolve();
    assert.equal((await finished(id)).progress, undefined);
    await worker.drain({ graceMs: 1_000 });
  });

  it("starts nothing of a paused queue until it is resumed", async () => {
    const queue = nextQueue();
    await engine.pause(queue, true);
    const worker = work(queue, () => "ran");
    const id = await send(queue, {});
    assert.equal((await engine.backlog()).find((status) => status.queue === queue)?.counts.waiting, 1);
    await engine.pause(queue, false);
    assert.equal((await finished(id)).state, "done");
    await worker.drain({ graceMs: 1_000 });
  });
});

describe("a worker that stops", () => {
  it("lets what runs come to its end within the grace", async () => {
    const queue = nextQueue();
    const started = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const worker = work(queue, async () => {
      started.resolve();
      await gate.promise;
    });
    const id = await send(queue, {});
    await started.promise;
    const drained = worker.drain({ graceMs: 5_000 });
    gate.resolve();
    await drained;
    assert.equal((await engine.read(id))?.state, "done");
  });

  it("hands back what does not end in time, as no failed attempt", async () => {
    const queue = nextQueue();
    const started = Promise.withResolvers<void>();
    const worker = work(queue, () => {
      started.resolve();
      return new Promise(() => {});
    });
    const id = await send(queue, {});
    await started.promise;
    await worker.drain({ graceMs: 10 });
    const status = await engine.read(id);
    assert.equal(status?.state, "waiting");
    assert.equal(status?.attempts, 0);
    assert.equal(status?.lastError, undefined);
  });

  it("starts nothing more, and may be told twice", async () => {
    const queue = nextQueue();
    const worker = work(queue, () => "ran");
    await Promise.all([worker.drain({ graceMs: 1_000 }), worker.drain({ graceMs: 1_000 })]);
    const id = await send(queue, {});
    assert.equal((await engine.read(id))?.state, "waiting");
    assert.equal((await engine.backlog()).find((status) => status.queue === queue)?.workers, 0);
  });
});
