import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { systemClock } from "../core/clock.ts";
import { SluiceError } from "../core/errors.ts";
import { defaultRetryPolicy } from "../core/retry.ts";
import { isFinal, type Claim, type RequestStatus } from "../core/request.ts";
import type { RequestId } from "../core/request-id.ts";
import type { Engine, SettleResult, Sql, TransactedWork } from "../engine/engine.ts";
import { openEmbedded } from "../engines/embedded/open.ts";
import { openLog } from "../telemetry/log.ts";
import { handlerRunner } from "./handler-runner.ts";
import { Reject, type Handler } from "./handler.ts";
import { openWorker, type Worker, type WorkerOptions } from "./worker.ts";

const log = openLog({ level: "silent", isPretty: false });
let folder: string;
let engine: Engine;
let ledger: Ledger;
let queue = "";
let queueCount = 0;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-transaction-"));
  const queues = Array.from({ length: 20 }, (_, n) => ({ name: `q${n}`, backlogMax: 100, backlogBytesMax: 100_000 }));
  engine = await openEmbedded({ folder, queues });
});

after(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

beforeEach(() => {
  queueCount += 1;
  queue = `q${queueCount}`;
  ledger = new Ledger();
});

/** What is written in a transaction is an effect once its outcome is stored; the store is the engine's. */
class Ledger {
  readonly effects: string[] = [];
  readonly ends: (SettleResult | "rolled-back")[] = [];
  /** What the worker itself had stored, outside of transactions. */
  readonly verbs: string[] = [];
  /** Transactions that cannot begin, before all others. */
  outages = 0;
  /** What happens in the first transaction at these points. */
  beforeWork: (() => Promise<void>) | undefined;
  beforeCommit: ((claim: Claim) => Promise<void>) | undefined;
  afterCommit: (() => Promise<void>) | undefined;
  /** What happens in every transaction that is undone. */
  onRollback: (() => Promise<void>) | undefined;

  get engine(): Engine {
    return new Proxy(engine, {
      get: (target, name) => {
        if (name === "transact") return (claim: Claim, work: TransactedWork) => this.#transact(claim, work);
        if (name === "settle" || name === "retry") this.verbs.push(name);
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  }

  async #transact(claim: Claim, work: TransactedWork): Promise<SettleResult | "rolled-back"> {
    const { beforeWork, beforeCommit, afterCommit } = this;
    this.beforeWork = this.beforeCommit = this.afterCommit = undefined;
    this.outages -= 1;
    if (this.outages >= 0) await lost();
    await beforeWork?.();
    const written: string[] = [];
    const outcome = await work({
      async query(_text, values = []) {
        written.push(...values.map(String));
        return { rows: [], rowCount: values.length };
      },
    });
    if (outcome === undefined) {
      await this.onRollback?.();
      return this.#end("rolled-back");
    }
    await beforeCommit?.(claim);
    const result = await engine.settle(claim, outcome);
    if (result === "settled") this.effects.push(...written);
    await afterCommit?.();
    return this.#end(result);
  }

  #end(end: SettleResult | "rolled-back"): SettleResult | "rolled-back" {
    this.ends.push(end);
    return end;
  }
}

function work(handle: Handler, options: Partial<WorkerOptions> = {}): Worker {
  return openWorker({
    engine: ledger.engine,
    queue,
    runner: handlerRunner({ handle, resultBytesMax: 1_000, log }),
    concurrency: 4,
    ratePerHour: undefined,
    isTransactional: true,
    timeoutMs: 5_000,
    retryPolicy: { ...defaultRetryPolicy, backoffMs: 1 },
    clock: systemClock,
    random: () => 0.5,
    log,
    ...options,
  });
}

async function send(): Promise<RequestId> {
  const result = await engine.accept([
    { queue, key: undefined, contentType: "text/plain", headers: undefined, body: Buffer.from("x") },
  ]);
  assert.equal(result.kind, "accepted");
  return (result.receipts[0] as { id: RequestId }).id;
}

async function finished(id: RequestId): Promise<RequestStatus> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _watch = engine.watch(id, (change) => {
    if (change.kind === "state" && isFinal(change.state)) resolve();
  });
  if (!isFinal(((await engine.read(id)) as RequestStatus).state)) await promise;
  return (await engine.read(id)) as RequestStatus;
}

/** Sends one request, waits for its outcome, and for all that the worker still had to do. */
async function outcomeOf(handle: Handler, options: Partial<WorkerOptions> = {}): Promise<RequestStatus> {
  const worker = work(handle, options);
  const { id } = await finished(await send());
  await worker.drain({ graceMs: 1_000 });
  return (await engine.read(id)) as RequestStatus;
}

async function insert(sql: Sql | undefined, effect: string): Promise<void> {
  assert.ok(sql !== undefined);
  await sql.query("INSERT INTO effects VALUES ($1)", [effect]);
}

const lost = (): Promise<never> => Promise.reject(new SluiceError("commit-unknown", "the connection was lost"));

describe("a transactional attempt", () => {
  it("is stored with its effect, and by the transaction alone", async () => {
    const { id, state, attempts } = await outcomeOf(async (_request, { sql }) => {
      await insert(sql, "paid");
      return "thanks";
    });
    assert.equal(state, "done");
    assert.equal(attempts, 1);
    assert.equal(Buffer.from((await engine.readResult(id))?.bytes ?? []).toString(), "thanks");
    assert.deepEqual(ledger.effects, ["paid"]);
    assert.deepEqual(ledger.verbs, []);
  });

  it("that fails is undone and made again", async () => {
    const { state, attempts, lastError } = await outcomeOf(async (_request, { sql, attempt }) => {
      await insert(sql, `attempt ${attempt}`);
      if (attempt === 1) throw new Error("not yet");
    });
    assert.equal(state, "done");
    assert.equal(attempts, 2);
    assert.deepEqual(lastError, { code: "handler-threw", message: "not yet" });
    assert.deepEqual(ledger.effects, ["attempt 2"]);
    assert.deepEqual(ledger.ends, ["rolled-back", "settled"]);
    assert.deepEqual(ledger.verbs, ["retry"]);
  });

  it("that is rejected is undone, and the request is dead", async () => {
    const { state, lastError } = await outcomeOf(async (_request, { sql }) => {
      await insert(sql, "paid");
      throw new Reject("no such sku");
    });
    assert.equal(state, "dead");
    assert.deepEqual(lastError, { code: "rejected", message: "no such sku" });
    assert.deepEqual(ledger.effects, []);
    assert.deepEqual(ledger.verbs, ["settle"]);
  });

  it("that takes too long is undone, and writes nothing any more", async () => {
    const late = Promise.withResolvers<unknown>();
    const handle: Handler = async (_request, { sql, signal }) => {
      await insert(sql, "paid");
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      setImmediate(() => void insert(sql, "late").then(late.reject, late.resolve));
      await new Promise(() => {});
    };
    const options = { timeoutMs: 20, retryPolicy: { ...defaultRetryPolicy, attemptsMax: 1 } };
    const { state, lastError } = await outcomeOf(handle, options);
    assert.equal(state, "dead");
    assert.equal(lastError?.code, "timeout");
    assert.match(String(await late.promise), /the attempt is over/);
    assert.deepEqual(ledger.effects, []);
    assert.deepEqual(ledger.ends, ["rolled-back"]);
  });

  it("that a shutdown cuts off is undone and handed back", async () => {
    const started = Promise.withResolvers<void>();
    const worker = work(async (_request, { sql }) => {
      await insert(sql, "paid");
      started.resolve();
      await new Promise(() => {});
    });
    const id = await send();
    await started.promise;
    await worker.drain({ graceMs: 10 });
    const status = await engine.read(id);
    assert.equal(status?.state, "waiting");
    assert.equal(status.attempts, 0);
    assert.deepEqual(ledger.ends, ["rolled-back"]);
    assert.deepEqual(ledger.effects, []);
  });

  it("does not begin when the worker stopped before there was a connection", async () => {
    const [isAsked, isConnected, isRunning] = [1, 2, 3].map(() => Promise.withResolvers<void>());
    ledger.beforeWork = () => {
      isAsked?.resolve();
      return isConnected?.promise ?? assert.fail();
    };
    let runs = 0;
    const worker = work((_request, { signal }) => {
      runs += 1;
      signal.addEventListener("abort", () => isConnected?.resolve()); // the grace is over
      isRunning?.resolve();
      return new Promise(() => {});
    });
    const id = await send();
    await isAsked?.promise;
    await send();
    await isRunning?.promise;
    await worker.drain({ graceMs: 0 });
    assert.equal(runs, 1);
    const status = await engine.read(id);
    assert.equal(status?.state, "waiting");
    assert.equal(status.attempts, 0);
    assert.equal(status.lastError, undefined);
  });

  it("is made again when the store went away before its commit, and counts once", async () => {
    ledger.beforeCommit = lost;
    let runs = 0;
    const { state, attempts, lastError } = await outcomeOf(async (_request, { sql }) => {
      runs += 1;
      await insert(sql, `run ${runs}`);
    });
    assert.equal(state, "done");
    assert.equal(attempts, 1);
    assert.equal(lastError, undefined);
    assert.deepEqual(ledger.effects, ["run 2"]);
    assert.deepEqual(ledger.verbs, ["retry"]);
  });

  it("is not made again when the store went away after its commit", async () => {
    ledger.afterCommit = lost;
    const { state, attempts } = await outcomeOf((_request, { sql }) => insert(sql, "paid"));
    assert.equal(state, "done");
    assert.equal(attempts, 1);
    assert.deepEqual(ledger.effects, ["paid"]);
    assert.deepEqual(ledger.verbs, ["retry"]);
  });

  it("is not asked for again and again while the store has no transactions", async () => {
    ledger.outages = 5;
    const sentAt = performance.now();
    const { state, attempts } = await outcomeOf((_request, { sql }) => insert(sql, "paid"));
    assert.equal(state, "done");
    assert.equal(attempts, 1);
    assert.deepEqual(ledger.effects, ["paid"]);
    assert.ok(performance.now() - sentAt >= 990, "the breaker pauses for a second");
  });

  const words = "a deferred constraint does not hold";
  for (const refusal of [new Error(words), new SluiceError("internal", words)]) {
    it(`fails when the store refuses to commit its effect with a ${refusal.name}`, async () => {
      ledger.beforeCommit = () => Promise.reject(refusal);
      const { state, attempts, lastError } = await outcomeOf((_request, { sql }) => insert(sql, "paid"));
      assert.equal(state, "done");
      assert.equal(attempts, 2);
      assert.deepEqual(lastError, { code: "handler-threw", message: words });
      assert.deepEqual(ledger.effects, ["paid"]);
    });
  }

  it("ends dead at once when the store cannot hold its outcome: no other attempt could help", async () => {
    ledger.beforeCommit = () => Promise.reject(new SluiceError("value-refused", "a zero byte"));
    const { state, attempts, lastError } = await outcomeOf((_request, { sql }) => insert(sql, "paid"));
    assert.deepEqual([state, attempts], ["dead", 1]);
    assert.deepEqual(lastError, { code: "value-refused", message: "a zero byte" });
    assert.deepEqual(ledger.effects, []);
  });

  it("passes on no statement that is not text, nor one with a zero byte", async () => {
    const statements: readonly unknown[] = [
      undefined,
      { submit: () => assert.fail("ran") },
      ["SELECT 1"],
      "SELECT 1\0",
    ];
    const { state } = await outcomeOf(async (_request, { sql }) => {
      for (const statement of statements) await assert.rejects(async () => sql?.query(statement as string), TypeError);
      await assert.rejects(async () => sql?.query("SELECT 1", "x" as unknown as unknown[]), TypeError);
    });
    assert.equal(state, "done");
  });

  it("fails for itself over a value that cannot be sent, and its connection is none the worse", async () => {
    const circle: Record<string, unknown> = {};
    circle["circle"] = circle;
    const fail = (): never => assert.fail("a getter throws");
    const values = [circle, { toJSON: fail }, { toPostgres: fail }, new Date(Number.NaN), new Proxy({}, { has: fail })];
    const { state, attempts } = await outcomeOf(async (_request, { sql }) => {
      for (const value of values) await assert.rejects(async () => sql?.query("SELECT $1", [value]));
      await sql?.query("SELECT $1", [{ a: 1 }, [1n, null], "text"]);
    });
    assert.deepEqual([state, attempts], ["done", 1]);
    assert.deepEqual(ledger.effects, ['{"a":1}', "1,", "text"]);
  });

  it("ends as it did when its rollback fails", async () => {
    ledger.onRollback = () => Promise.reject(new Error("no such savepoint"));
    const { state, lastError } = await outcomeOf(async () => {
      throw new Reject("no such sku");
    });
    assert.equal(state, "dead");
    assert.deepEqual(lastError, { code: "rejected", message: "no such sku" });
  });

  it("that comes too late has no effect, and its outcome is not stored", async () => {
    const failure = { code: "timeout", message: "somebody else had it" };
    ledger.beforeCommit = async (claim) => void (await engine.settle(claim, { kind: "dead", failure }));
    const { state, lastError } = await outcomeOf((_request, { sql }) => insert(sql, "paid"));
    assert.equal(state, "dead");
    assert.deepEqual(lastError, failure);
    assert.deepEqual(ledger.ends, ["superseded"]);
    assert.deepEqual(ledger.effects, []);
    assert.deepEqual(ledger.verbs, []);
  });

  it("has its connection only where the queue is transactional", async () => {
    let sqlSeen: Sql | undefined;
    await outcomeOf((_request, { sql }) => void (sqlSeen = sql), { isTransactional: false });
    assert.equal(sqlSeen, undefined);
    assert.deepEqual(ledger.verbs, ["settle"]);
  });

  it("is refused at the start by an engine that cannot share a transaction", () => {
    assert.throws(() => work(() => "ran", { engine }), { code: "bad-config" });
  });
});
