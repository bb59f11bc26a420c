import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../core/clock.ts";
import { defaultRetryPolicy, type AttemptFailure } from "../core/retry.ts";
import { isFinal, type RequestStatus, type State } from "../core/request.ts";
import type { RequestId } from "../core/request-id.ts";
import type { Change, Engine, StartsAsk, StartsGrant } from "../engine/engine.ts";
import { openEmbedded } from "../engines/embedded/open.ts";
import { openLog, type Logger } from "../telemetry/log.ts";
import { handlerRunner } from "./handler-runner.ts";
import { Reject, RetryLater, type Handler } from "./handler.ts";
import type { AttemptEnd, Runner } from "./runner.ts";
import type { WorkerEngine } from "./worker-engine.ts";
import { openWorker, type Worker, type WorkerOptions } from "./worker.ts";

const log = openLog({ level: "silent", isPretty: false });
let folder: string;
let engine: Engine;
let queueCount = 0;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-worker-"));
  const names = Array.from({ length: 30 }, (_, index) => `q${index}`);
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

  it("takes no report of progress once the attempt is over", async () => {
    const queue = nextQueue();
    let report: (progress: unknown) => void = () => assert.fail("the handler did not run");
    const worker = work(queue, (_request, { progress }) => {
      report = progress;
    });
    const id = await send(queue, {});
    await finished(id);
    const told: Change[] = [];
    using _watch = engine.watch(id, (change) => told.push(change));
    report({ percent: 100 });
    assert.deepEqual(told, []);
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

describe("good requests among bad ones", () => {
  it("are all done while the bad ones hang, fail and are tried again", async () => {
    const queue = nextQueue();
    const handle: Handler = async (request) => {
      if (request.text() === '"hangs"') await new Promise(() => {});
      return "ok";
    };
    const worker = work(queue, handle, {
      timeoutMs: 30,
      retryPolicy: { ...defaultRetryPolicy, attemptsMax: 3, backoffMs: 1 },
    });
    const sent = Array.from({ length: 200 }, (_, n) => send(queue, n % 16 === 3 ? "hangs" : n));
    const ids = await Promise.all(sent);
    const good = ids.filter((_, n) => n % 16 !== 3);
    const bad = ids.filter((_, n) => n % 16 === 3);
    for (const { state, attempts } of await Promise.all(good.map(finished)))
      assert.deepEqual([state, attempts], ["done", 1]);
    for (const { state, attempts } of await Promise.all(bad.map(finished)))
      assert.deepEqual([state, attempts], ["dead", 3]);
    await worker.drain({ graceMs: 1_000 });
  });

  it("start at once though requests that hang have filled all places that are theirs", async () => {
    const queue = nextQueue();
    const hang = new Set<RequestId>();
    const areHeld = Promise.withResolvers<void>();
    let held = 0;
    const handle: Handler = async ({ id }, { attempt }) => {
      if (!hang.has(id)) return "ok";
      if (attempt === 1) throw new Error("not yet");
      held += 1;
      if (held === 3) areHeld.resolve();
      return new Promise<never>(() => {});
    };
    await engine.pause(queue, true);
    const worker = work(queue, handle);
    for (let n = 0; n < 8; n += 1) hang.add(await send(queue, n));
    await engine.pause(queue, false);
    await areHeld.promise;
    assert.equal((await finished(await send(queue, "good"))).state, "done");
    assert.equal(held, 3, "of four places");
    await worker.drain({ graceMs: 0 });
  });
});

describe("what a worker holds", () => {
  it("is running while its handler does, and committing while the store takes what came of it", async () => {
    const queue = nextQueue();
    const [begun, ended, stored] = [1, 2, 3].map(() => Promise.withResolvers<void>()) as [Turn, Turn, Turn];
    const committing = Promise.withResolvers<void>();
    const slow: WorkerEngine = {
      clock: engine.clock,
      deliver: engine.deliver.bind(engine),
      retry: engine.retry.bind(engine),
      report: engine.report.bind(engine),
      attend: engine.attend.bind(engine),
      settle: async (claim, outcome) => {
        committing.resolve();
        await stored.promise;
        return engine.settle(claim, outcome);
      },
    };
    const handle = async (): Promise<string> => {
      begun.resolve();
      await ended.promise;
      return "ok";
    };
    const held = async (): Promise<unknown> => {
      const status = (await engine.backlog()).find((row) => row.queue === queue);
      return [status?.counts.running, status?.deliveries];
    };
    const worker = work(queue, handle, { engine: slow, concurrency: 1 });
    const id = await send(queue, 1);
    await begun.promise;
    assert.deepEqual(await held(), [1, { claimed: 0, running: 1, committing: 0 }]);
    ended.resolve();
    await committing.promise;
    assert.deepEqual(await held(), [1, { claimed: 0, running: 0, committing: 1 }]);
    stored.resolve();
    await finished(id);
    await worker.drain({ graceMs: 1_000 });
    assert.deepEqual(await held(), [0, { claimed: 0, running: 0, committing: 0 }]);
  });
});

type Turn = PromiseWithResolvers<void>;

describe("a worker that runs out of a resource of its own", () => {
  it("pauses, says so once, counts nothing, and goes on by itself", async () => {
    const queue = nextQueue();
    const ends: AttemptEnd[] = [lacking, lacking, lacking];
    const done: AttemptEnd = { kind: "done", result: { contentType: "text/plain", bytes: Buffer.from("ok") } };
    const runner: Runner = { run: async () => ends.pop() ?? done, close: () => Promise.resolve() };
    const errors: unknown[] = [];
    const told = Object.assign(Object.create(log) as Logger, {
      error: (line: unknown, words: string) => void errors.push([line, words]),
    });
    const worker = work(queue, () => "", { runner, concurrency: 1, log: told });
    const id = await send(queue, 1);
    const failed = await reach(id, (state) => state === "scheduled");
    assert.equal(failed.lastError?.code, "no-resource");
    const status = (await engine.backlog()).find((row) => row.queue === queue);
    assert.equal(status?.breakersOpen, 1);
    ends.length = 1; // one probe fails, the next does not
    const { state, attempts } = await finished(id);
    assert.deepEqual([state, attempts], ["done", 1]);
    assert.equal(errors.length, 1);
    assert.match(JSON.stringify(errors), /connect EMFILE.*LimitNOFILE.*deliveries pause/);
    await worker.drain({ graceMs: 1_000 });
  });
});

const lacking: AttemptEnd = {
  kind: "failed",
  failure: {
    code: "no-resource",
    message: "connect EMFILE",
    isRetryable: true,
    isCounted: false,
    retryAfterMs: undefined,
  },
  blame: "worker",
};

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

/** The same store, with a rate that the workers of a queue share. */
function engineWith(starts: NonNullable<Engine["starts"]>): Engine {
  return new Proxy(engine, {
    get(target, name) {
      if (name === "starts") return starts;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

describe("workers that share a rate", () => {
  it("start nothing that the engine did not grant", async () => {
    const queue = nextQueue();
    const asks: StartsAsk[] = [];
    let granted = 0;
    let started = 0;
    const shared = engineWith(async (ask) => {
      asks.push(ask);
      granted += 1;
      return { granted: 1, retryMs: 2 };
    });
    const start = (): void => {
      started += 1;
      assert.ok(started <= granted, `${started} starts of ${granted}`);
    };
    const workers = [1, 2].map(() => work(queue, start, { engine: shared, ratePerHour: 3_600_000, burst: 9 }));
    const ids = await Promise.all(Array.from({ length: 60 }, (_, n) => send(queue, n)));
    for (const { state } of await Promise.all(ids.map(finished))) assert.equal(state, "done");
    assert.equal(started, 60);
    for (const { wanted, ...rest } of asks) {
      assert.deepEqual(rest, { queue, ratePerHour: 3_600_000, burst: 9 });
      assert.ok(wanted >= 1 && wanted <= 51, `${wanted} wanted`);
    }
    await Promise.all(workers.map((worker) => worker.drain({ graceMs: 1_000 })));
  });

  it("ask again when the engine said so", async () => {
    const queue = nextQueue();
    const askedAt: number[] = [];
    const shared = engineWith(async () => {
      askedAt.push(performance.now());
      return { granted: askedAt.length < 3 ? 0 : 1, retryMs: 30 };
    });
    const worker = work(queue, () => "ran", { engine: shared, ratePerHour: 3_600 });
    assert.equal((await finished(await send(queue, {}))).state, "done");
    const [first = 0, second = 0, third = 0] = askedAt;
    assert.ok(second - first >= 30 && third - second >= 30, `asked at ${askedAt.join(", ")}`);
    await worker.drain({ graceMs: 1_000 });
  });

  it("ask nothing while their queue is idle, nor without a rate", async () => {
    const [idle, busy] = [nextQueue(), nextQueue()];
    let asks = 0;
    const shared = engineWith(async ({ wanted }) => {
      asks += 1;
      return { granted: wanted, retryMs: 0 };
    });
    const workers = [
      work(idle, () => "ran", { engine: shared, ratePerHour: 3_600_000 }),
      work(busy, () => "ran", { engine: shared }),
    ];
    for (let n = 0; n < 10; n += 1) await finished(await send(busy, n));
    assert.equal(asks, 0);
    await Promise.all(workers.map((worker) => worker.drain({ graceMs: 1_000 })));
    assert.equal(asks, 0);
  });

  it("claim on while what they started runs", async () => {
    const queue = nextQueue();
    const areBothRunning = Promise.withResolvers<void>();
    let running = 0;
    const shared = engineWith(async () => ({ granted: 1, retryMs: 0 }));
    const handle = async (): Promise<void> => {
      running += 1;
      if (running === 2) areBothRunning.resolve();
      await areBothRunning.promise;
    };
    const worker = work(queue, handle, { engine: shared, ratePerHour: 3_600 });
    const ids = [await send(queue, 1), await send(queue, 2)];
    for (const { attempts } of await Promise.all(ids.map(finished))) assert.equal(attempts, 1);
    await worker.drain({ graceMs: 1_000 });
  });

  it("hand back what waits for its start when they stop, and leave no ask behind", async () => {
    const queue = nextQueue();
    const asked = Promise.withResolvers<void>();
    const grant = Promise.withResolvers<StartsGrant>();
    const shared = engineWith(() => {
      asked.resolve();
      return grant.promise;
    });
    const warnings: Error[] = [];
    process.on("warning", (warning) => void warnings.push(warning));
    let isDrained = false;
    const worker = work(queue, () => assert.fail("started"), { engine: shared, ratePerHour: 3_600_000 });
    const id = await send(queue, {});
    await asked.promise;
    const drained = worker.drain({ graceMs: 1_000 }).then(() => void (isDrained = true));
    assert.equal((await reach(id, (state) => state === "waiting")).attempts, 0);
    assert.equal(isDrained, false);
    grant.resolve({ granted: 1, retryMs: 0 });
    await drained;
    assert.equal((await engine.read(id))?.state, "waiting");
    assert.deepEqual(warnings, [], "of a timer without an end, perhaps");
  });
});

describe("outcomes that the store refuses", () => {
  const noText = ["a", "list"] as unknown as string;
  const refused: readonly AttemptEnd[] = [
    { kind: "done", result: { contentType: noText, bytes: Buffer.from("x") } },
    failedFor({ code: "boom", message: noText, retryAfterMs: undefined }),
    failedFor({ code: "boom", message: "boom", retryAfterMs: Number.NaN }),
  ];

  it("end their own requests dead, with a sentence", async () => {
    const queue = nextQueue();
    const runner: Runner = {
      run: async ({ request }) =>
        refused[JSON.parse(Buffer.from(request.body).toString()) as number] ?? { kind: "done", result: fine },
      close: () => Promise.resolve(),
    };
    const ids = await Promise.all([0, 1, 2, 3].map((n) => send(queue, n)));
    const worker = work(queue, () => undefined, { runner });
    const [good, ...bad] = (await Promise.all(ids.map(finished))).toReversed();
    assert.equal(good?.state, "done");
    for (const { state, lastError } of bad) {
      assert.deepEqual([state, lastError?.code], ["dead", "value-refused"]);
      assert.match(lastError?.message ?? "", /^the store cannot hold a value of this call: /);
    }
    await worker.drain({ graceMs: 1_000 });
  });
});

const fine = { contentType: "text/plain", bytes: Buffer.from("fine") };

function failedFor(failure: Pick<AttemptFailure, "code" | "message" | "retryAfterMs">): AttemptEnd {
  return { kind: "failed", failure: { ...failure, isRetryable: true, isCounted: true }, blame: "request" };
}
