// What only the embedded engine has: a folder with an owner, a schema, retention, a disk.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { truncateSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";
import { lineSettingsDefault } from "../../core/line-settings.ts";
import type { Clock } from "../../core/clock.ts";
import type { SluiceError } from "../../core/errors.ts";
import type { RequestId } from "../../core/request-id.ts";
import type { Engine } from "../../engine/engine.ts";
import { requests } from "./migrations/0001-requests.ts";
import { openEmbedded, type EmbeddedOptions } from "./open.ts";

const queues = [{ name: "q", backlogMax: 10_000, backlogBytesMax: 10_000_000 }];
const dayMs = 86_400_000;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-embedded-"));
});

afterEach(() => rm(folder, { recursive: true }));

function open(options: Partial<EmbeddedOptions> = {}): Promise<Engine> {
  return openEmbedded({ folder, queues, ...options });
}

function movedClock(): Clock & { moveMs: number } {
  return { moveMs: 0, now: () => Date.now() + clock.moveMs, monotonic: () => performance.now() };
}
const clock = movedClock();

async function accept(engine: Engine, count = 1, key?: string, callback?: string): Promise<readonly RequestId[]> {
  const one = { queue: "q", key, contentType: "text/plain", headers: undefined, body: Buffer.from("a body"), callback };
  const result = await engine.accept(Array.from({ length: count }, () => one));
  assert.equal(result.kind, "accepted");
  return result.receipts.map(({ id }) => id);
}

/** As a sender does that comes again. */
async function acceptWithin(engine: Engine, limitMs: number): Promise<void> {
  const limit = AbortSignal.timeout(limitMs);
  for (;;) {
    try {
      await accept(engine);
      return;
    } catch (error) {
      if (limit.aborted || !hasCode("store-unavailable")(error)) throw error;
    }
  }
}

async function finishAll(engine: Engine, count: number): Promise<void> {
  for (let left = count; left > 0;) {
    const deliveries = await engine.deliver({ queue: "q", max: left, signal: AbortSignal.timeout(5_000) });
    const result = { contentType: "text/plain", bytes: Buffer.from("done") };
    await Promise.all(deliveries.map(({ claim }) => engine.settle(claim, { kind: "done", result })));
    left -= deliveries.length;
  }
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => (error as SluiceError).code === code;
}

describe("the data folder", () => {
  it("has one owner, whose name a second start is told; and is free again after it closed", async () => {
    const engine = await open({ owner: "process 4711" });
    await assert.rejects(open(), (error: SluiceError) => {
      assert.equal(error.code, "folder-owned");
      assert.match(error.message, /process 4711/);
      return true;
    });
    await engine.close();
    await (await open()).close();
  });

  it("of a newer Sluice is refused", async () => {
    await (await open()).close();
    const db = new DatabaseSync(join(folder, "sluice.db"));
    db.exec("PRAGMA user_version = 99");
    db.close();
    await assert.rejects(open(), hasCode("schema-newer"));
  });

  it("of an older Sluice is brought up to this one, and goes on with what it holds", async () => {
    const old = new DatabaseSync(join(folder, "sluice.db"));
    old.exec(requests);
    old.exec(`PRAGMA user_version = 1;
      INSERT INTO queues (name, accepted) VALUES ('q', 1);
      INSERT INTO requests VALUES (1, x'8000000000000000', 1, NULL, 'text/plain', NULL, 1, x'78')`);
    old.close();
    await using engine = await open();
    assert.equal((await engine.backlog())[0]?.backlog, 1);
    await accept(engine, 1, undefined, "http://127.0.0.1:9/");
    await finishAll(engine, 2);
    assert.equal((await engine.callbacksDue({ max: 10 })).due.length, 1);
  });

  it("on a disk that is too full takes nothing in, and delivers what it has", async () => {
    const engine = await open();
    await accept(engine, 3);
    await engine.close();
    await using full = await open({ diskFreeMin: Number.MAX_SAFE_INTEGER });
    await assert.rejects(accept(full), hasCode("disk-full"));
    assert.equal(full.health().problems[0]?.code, "disk-full");
    await finishAll(full, 3);
    const audit = await full.audit();
    assert.equal(audit.queues[0]?.done, 3);
    assert.ok(audit.holds);
  });

  for (const command of [
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA wal_checkpoint(TRUNCATE); ANALYZE",
    "PRAGMA wal_checkpoint(TRUNCATE); VACUUM",
    "VACUUM; PRAGMA wal_checkpoint(PASSIVE)",
  ])
    it(`goes on, and keeps all of it, while another program does: ${command}`, async () => {
      await using engine = await open();
      await accept(engine, 500);
      await finishAll(engine, 500);
      using other = new DatabaseSync(join(folder, "sluice.db"));
      for (let n = 0; n < 2; n += 1) {
        other.exec(command);
        await acceptWithin(engine, 5_000);
      }
      assert.deepEqual(engine.health().problems, []);
      await engine.close();
      await using again = await open();
      const { holds, queues: counts } = await again.audit();
      assert.ok(holds);
      assert.equal(counts[0]?.accepted, 502);
    });

  it("whose log another program cuts off takes nothing in", async () => {
    await using engine = await open();
    await accept(engine, 5);
    truncateSync(join(folder, "sluice.db-wal"));
    const large = {
      queue: "q",
      key: undefined,
      contentType: "text/plain",
      headers: undefined,
      body: Buffer.alloc(1e6),
    };
    // They outgrow SQLite's memory, and would make the log as long as it was.
    const batch = engine.accept(Array.from({ length: 8 }, () => large));
    await assert.rejects(batch, hasCode("store-unavailable"));
    for (let n = 0; n < 3; n += 1) await assert.rejects(accept(engine), hasCode("store-unavailable"));
  });
});

describe("retention", () => {
  it("that is under way when the engine closes ends with it", async () => {
    const engine = await open();
    const [first] = await accept(engine, 500);
    for (let n = 0; n < 3; n += 1) await accept(engine, 500);
    await finishAll(engine, 2_000);
    await engine.close();
    const again = await open({ retentionMs: 1 });
    await untilGone(again, first as RequestId);
    await again.close(); // an error of its thread would end the process
  });

  it("deletes finished requests with their keys once they are old, and the law goes on holding", async () => {
    clock.moveMs = 0;
    await using engine = await open({ retentionMs: dayMs, clock });
    const old = await accept(engine, 500);
    const [keyed] = await accept(engine, 1, "a-key");
    const [first] = await engine.deliver({ queue: "q", max: 1, signal: AbortSignal.timeout(5_000) });
    assert.ok(first);
    await engine.settle(first.claim, { kind: "dead", failure: { code: "refused", message: "no" } });
    await engine.replay(first.claim.id);
    await finishAll(engine, 501);
    inStore((db) => assert.equal(db.prepare("SELECT count(*) AS n FROM replays").get()?.["n"], 1));
    const [unfinished] = await accept(engine);
    clock.moveMs = 2 * dayMs;
    const [young] = await accept(engine);
    await untilGone(engine, old.at(-1) as RequestId);
    await untilGone(engine, keyed as RequestId);
    inStore((db) => assert.deepEqual(db.prepare("SELECT * FROM replays").all(), []));
    assert.ok(await engine.read(unfinished as RequestId), "what has no outcome is kept, however old");
    assert.ok(await engine.read(young as RequestId));
    const audit = await engine.audit();
    assert.deepEqual(
      { holds: audit.holds, accepted: audit.queues[0]?.accepted, done: audit.queues[0]?.done },
      { holds: true, accepted: 503, done: 501 },
    );
    assert.notEqual((await accept(engine, 1, "a-key"))[0], keyed, "the key is free again");
  });

  it("keeps a dead request as long as it holds its order key", async () => {
    clock.moveMs = 0;
    const lines = { ...lineSettingsDefault, afterDead: "hold" } as const;
    await using engine = await open({
      retentionMs: dayMs,
      clock,
      queues: queues.map((queue) => ({ ...queue, lines })),
    });
    const one = {
      queue: "q",
      key: undefined,
      contentType: "text/plain",
      headers: undefined,
      body: Buffer.from("a body"),
    };
    const placement = { order: "k" };
    await engine.accept([{ ...one, placement }]);
    const [first] = await engine.deliver({ queue: "q", max: 1, signal: AbortSignal.timeout(5_000) });
    assert.ok(first);
    await engine.settle(first.claim, { kind: "dead", failure: { code: "refused", message: "no" } });
    await accept(engine);
    await engine.accept([{ ...one, placement }]);
    const [other] = await accept(engine);
    await finishAll(engine, 2);
    clock.moveMs = 2 * dayMs;
    await accept(engine); // tells of the clock
    await untilGone(engine, other as RequestId);
    assert.equal((await engine.read(first.claim.id))?.state, "dead");
    assert.equal(await engine.lines?.releaseOrder("q", "k"), true);
    await finishAll(engine, 2);
    await untilGone(engine, first.claim.id);
    assert.equal((await engine.audit()).holds, true);
  });

  it("notes which places of a chain it has removed: only these explain a gap", async () => {
    clock.moveMs = 0;
    const engine = await open({ retentionMs: dayMs, clock });
    const [chain] = await accept(engine);
    await accept(engine, 2);
    const [last] = await accept(engine);
    const [left] = await accept(engine);
    await finishAll(engine, 4);
    clock.moveMs = 2 * dayMs;
    await accept(engine); // the writer hears of the time with it
    await untilGone(engine, last as RequestId);
    assert.equal((await engine.audit()).holds, true);
    await engine.close();
    inStore((db) => {
      const [noted, ...others] = db.prepare("SELECT from_place, to_place FROM expired_places").all();
      assert.deepEqual([{ ...noted }, others], [{ from_place: 0, to_place: 4 }, []]);
      db.exec("UPDATE expired_places SET from_place = 1, to_place = 3");
    });
    const again = await open({ retentionMs: dayMs, clock });
    const { holds, findings } = await again.audit();
    assert.deepEqual(
      [holds, findings.map(({ kind, id, gap }) => [kind, id, gap?.chain, gap?.place, gap?.requests])],
      [false, [["gap", left, chain, 0, 2]]],
    );
    await finishAll(again, 2);
    clock.moveMs = 4 * dayMs;
    await accept(again);
    await untilGone(again, left as RequestId);
    await again.close();
    inStore((db) => assert.equal(db.prepare("SELECT 1 FROM expired_places WHERE from_place = 1").get(), undefined));
  });
});

function inStore(work: (db: DatabaseSync) => void): void {
  const db = new DatabaseSync(join(folder, "sluice.db"));
  work(db);
  db.close();
}

describe("a clock that steps", () => {
  it("back, after retention emptied the folder: what is accepted then is delivered", async () => {
    clock.moveMs = 10 * dayMs;
    const engine = await open({ retentionMs: dayMs, clock });
    const [gone] = await accept(engine);
    await finishAll(engine, 1);
    clock.moveMs = 12 * dayMs;
    await engine.pause("q", false); // tells the writer the time
    await untilGone(engine, gone as RequestId);
    await engine.close();
    clock.moveMs = 0;
    await using again = await open({ retentionMs: dayMs, clock });
    const [later] = await accept(again);
    assert.ok((later as RequestId) > (gone as RequestId));
    await finishAll(again, 1);
    assert.equal((await again.audit()).holds, true);
  });

  it("back, when only a cancelled request had been there: no sequence number is handed out twice", async () => {
    clock.moveMs = 10 * dayMs;
    const engine = await open({ retentionMs: dayMs, clock });
    const [gone] = await accept(engine);
    await engine.cancel(gone as RequestId);
    clock.moveMs = 12 * dayMs;
    await engine.pause("q", false);
    await untilGone(engine, gone as RequestId);
    await engine.close();
    clock.moveMs = 0;
    await using again = await open({ retentionMs: dayMs, clock });
    assert.ok(((await accept(again))[0] as RequestId) > (gone as RequestId));
  });

  it("heals a folder in which an earlier version stored requests behind the queue's cursor", async () => {
    const old = new DatabaseSync(join(folder, "sluice.db"));
    old.exec(requests);
    old.exec(`PRAGMA user_version = 1;
      INSERT INTO queues (name, accepted, cursor) VALUES ('q', 2, 1000000);
      INSERT INTO requests VALUES (1, x'8000000000000000', 1, NULL, 'text/plain', NULL, 1, x'78');
      INSERT INTO requests VALUES (1000001, x'8000000000000001', 1, NULL, 'text/plain', NULL, 1, x'78')`);
    old.close();
    await using engine = await open();
    await finishAll(engine, 2);
    assert.equal((await engine.audit()).queues[0]?.missing, 0);
  });

  it("back, after it was ahead: retention goes on, and counts from the outcome", async () => {
    clock.moveMs = 365 * dayMs;
    await using engine = await open({ retentionMs: dayMs, clock });
    const [finishedAhead] = await accept(engine);
    await finishAll(engine, 1);
    const [acceptedAhead] = await accept(engine);
    clock.moveMs = 0;
    await finishAll(engine, 1);
    clock.moveMs = 1.5 * dayMs;
    const [young] = await accept(engine);
    await finishAll(engine, 1);
    await untilGone(engine, acceptedAhead as RequestId);
    assert.ok(await engine.read(young as RequestId), "its outcome is not a day old");
    clock.moveMs = 3 * dayMs;
    await engine.pause("q", false); // tells the writer the time
    await untilGone(engine, young as RequestId);
    await untilGone(engine, finishedAhead as RequestId);
    assert.equal((await engine.audit()).holds, true);
  });
});

describe("retention and callbacks", () => {
  it("a request is kept until its callback has been made, and then goes with all that belongs to it", async () => {
    clock.moveMs = 0;
    const engine = await open({ retentionMs: dayMs, clock });
    const [told, plain] = await accept(engine, 2, undefined, "http://127.0.0.1:9/");
    const [alone] = await accept(engine);
    await finishAll(engine, 3);
    await engine.callbacksTold([{ id: told as RequestId, round: 0 }]);
    clock.moveMs = 2 * dayMs;
    await engine.pause("q", false); // tells the writer the time
    await untilGone(engine, alone as RequestId);
    assert.equal((await engine.callbacksDue({ max: 10 })).due[0]?.id, plain);
    await engine.callbacksTold([{ id: plain as RequestId, round: 0 }]);
    await untilGone(engine, plain as RequestId);
    assert.equal((await engine.audit()).holds, true);
    await engine.close();
    const db = new DatabaseSync(join(folder, "sluice.db"));
    assert.deepEqual(db.prepare("SELECT * FROM callbacks").all(), []);
    db.close();
  });
});

/** Upkeep comes once a second and tells nobody: the reading is repeated, for five seconds at the most. */
async function untilGone(engine: Engine, id: RequestId): Promise<void> {
  const signal = AbortSignal.timeout(5_000);
  while ((await engine.read(id)) !== undefined) signal.throwIfAborted();
}

describe("an audit", () => {
  it("takes links that an earlier version made for what they were, and what it removed for removed", async () => {
    const engine = await open();
    const ids = [];
    for (let count = 0; count < 4; count += 1) ids.push(...(await accept(engine)));
    await engine.close();
    inStore((db) => {
      let hash = new Uint8Array(32);
      for (const [place, row] of db.prepare("SELECT first_seq, ids FROM links ORDER BY first_seq").all().entries()) {
        const previous = hash;
        hash = createHash("sha256")
          .update(previous)
          .update(row["ids"] as Uint8Array)
          .digest();
        db.prepare("UPDATE links SET place = ?, previous = ?, hash = ?, digests = NULL WHERE first_seq = ?").run(
          place,
          previous,
          hash,
          row["first_seq"] as number,
        );
      }
      db.exec(`DELETE FROM requests WHERE seq = (SELECT first_seq FROM links WHERE place = 1);
        DELETE FROM links WHERE place = 1; UPDATE queues SET accepted = 3`);
    });
    const again = await open();
    await accept(again);
    const { holds, findings } = await again.audit();
    assert.deepEqual([holds, findings], [true, []]);
    assert.equal((await again.prove(ids[2] as RequestId)).verdict, "stored");
    await again.close();
    inStore((db) => db.exec("UPDATE links SET previous = zeroblob(32) WHERE place = 3"));
    await using last = await open();
    const broken = (await last.audit()).findings;
    assert.deepEqual(
      broken.map(({ kind, id }) => [kind, id]),
      [["broken", ids[3]]],
    );
  });

  it("finds out a request that vanished from the store", async () => {
    const engine = await open();
    await accept(engine, 3);
    await finishAll(engine, 1);
    await engine.close();
    const db = new DatabaseSync(join(folder, "sluice.db"));
    db.exec("DELETE FROM requests WHERE seq = (SELECT max(seq) FROM requests)");
    db.close();
    await using again = await open();
    const audit = await again.audit();
    assert.equal(audit.holds, false);
    assert.equal(audit.queues[0]?.missing, 1);
  });

  it("finds out an outcome that vanished from the store", async () => {
    const engine = await open();
    await accept(engine, 3);
    await finishAll(engine, 2);
    await engine.close();
    const db = new DatabaseSync(join(folder, "sluice.db"));
    db.exec("DELETE FROM outcomes WHERE seq = (SELECT min(seq) FROM outcomes)");
    db.close();
    await using again = await open();
    const audit = await again.audit();
    assert.equal(audit.holds, false);
    assert.equal(audit.queues[0]?.missing, 1);
  });
});
