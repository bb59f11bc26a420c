import assert from "node:assert/strict";
import { EventEmitter, on } from "node:events";
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import type { Delivery } from "../../core/request.ts";
import { SeqSource } from "../../core/request-id.ts";
import type { AcceptResult } from "../../engine/engine.ts";
import type { Answer, FromThread, WriterCall } from "./calls.ts";
import { Chains } from "./chains.ts";
import { CommitLoop } from "./commit-loop.ts";
import { openForWriting } from "./database.ts";
import { Lines } from "./lines.ts";
import { Mark } from "./mark.ts";
import { migrate } from "./migrate.ts";
import { OpenFiles } from "./open-files.ts";
import { lockFileIn } from "./store-file.ts";
import { QueueLedger } from "./queue-ledger.ts";
import type { Store } from "./store.ts";

const hourMs = 3_600_000;

const acceptOne: Extract<WriterCall, { verb: "accept" }> = {
  verb: "accept",
  call: 2,
  requests: [
    { queue: "q", key: undefined, contentType: "text/plain", headers: undefined, body: Buffer.from("a body") },
  ],
};

function storeOf(folder: string, db: DatabaseSync, queues: QueueLedger): Store {
  writeFileSync(lockFileIn(folder), "");
  return {
    db,
    queues,
    chains: new Chains(db),
    lines: new Lines(db, new Map()),
    seqs: new SeqSource(-1),
    files: new OpenFiles(folder),
    mark: new Mark(folder, { store: 1, cookie: 0, position: 0 }),
    isSpool: false,
    now: Date.now,
  };
}

describe("a commit that fails for want of room", () => {
  it("tells every caller that it would have served, those that wait for deliveries too", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sluice-commit-"));
    const db = openForWriting(join(folder, "sluice.db"));
    migrate(db);
    const queues = new QueueLedger(db, [{ name: "q", backlogMax: 10, backlogBytesMax: 1_000 }]);
    const posted = new EventEmitter();
    const messages = on(posted, "message") as AsyncIterableIterator<[FromThread]>;
    let token = 0;
    const loop = new CommitLoop({
      store: storeOf(folder, db, queues),
      nextToken: () => (token += 1),
      post: (message) => posted.emit("message", message),
      crashesMax: 5,
      accepting: () => undefined,
    });
    loop.take([{ verb: "deliver", call: 1, queue: "q", max: 5, retries: undefined }]);
    assert.deepEqual(await nextAnswers(messages), []);

    // The last write of a transaction, the queues' rows, meets a full disk.
    const { page_count: pages } = db.prepare("PRAGMA page_count").get() as { page_count: number };
    db.exec(`
      CREATE TABLE filler (bytes BLOB);
      CREATE TRIGGER fill AFTER UPDATE ON queues BEGIN INSERT INTO filler VALUES (zeroblob(1000000)); END;
      PRAGMA max_page_count = ${pages + 20};
    `);
    // Who gave up on a delivery had the answer meanwhile: its number may be another call's by now.
    loop.take([{ verb: "abandon", call: 0, deliver: 9 }, acceptOne]);
    const failed = await nextAnswers(messages);
    assert.deepEqual(
      failed.map(({ call, error }) => [call, error?.code]),
      [
        [1, "disk-full"],
        [2, "disk-full"],
      ],
    );

    db.exec("DROP TRIGGER fill");
    loop.take([acceptOne, { verb: "deliver", call: 3, queue: "q", max: 5, retries: undefined }]);
    const answers = await nextAnswers(messages);
    assert.deepEqual(
      answers.map(({ call, error }) => [call, error]),
      [
        [2, undefined],
        [3, undefined],
      ],
    );
    const values = answers.map(({ value }) => value) as [AcceptResult, readonly Delivery[]];
    assert.equal(values[0].kind, "accepted");
    assert.equal(values[1].length, 1, "what failed left nothing behind");
    db.close();
    await rm(folder, { recursive: true });
  });
});

describe("a request that fell due while timers stood still", () => {
  it("is delivered without another call", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sluice-commit-"));
    const db = openForWriting(join(folder, "sluice.db"));
    migrate(db);
    const queues = new QueueLedger(db, [{ name: "q", backlogMax: 10, backlogBytesMax: 1_000 }]);
    const posted = new EventEmitter();
    const messages = on(posted, "message") as AsyncIterableIterator<[FromThread]>;
    let sleptMs = 0;
    const now = (): number => Date.now() + sleptMs;
    const loop = new CommitLoop({
      store: { ...storeOf(folder, db, queues), now },
      nextToken: () => 1,
      post: (message) => posted.emit("message", message),
      crashesMax: 5,
      accepting: () => undefined,
    });
    const deliver = { verb: "deliver", call: 3, queue: "q", max: 1, retries: undefined } as const;
    loop.take([acceptOne, deliver]);
    const delivered = (await nextAnswers(messages)).find(({ call }) => call === 3)?.value as readonly Delivery[];
    const { claim } = delivered[0] as Delivery;
    loop.take([{ verb: "retry", call: 4, claim, options: { dueAt: now() + hourMs, isCounted: true } }, deliver]);
    assert.deepEqual(
      (await nextAnswers(messages)).map(({ value }) => value),
      ["settled"],
    );
    sleptMs = hourMs; // as a suspended machine wakes up: the clock has gone on, the timers have not
    const [answer] = (await nextAnswers(messages)) as [Answer];
    assert.equal((answer.value as readonly Delivery[])[0]?.claim.id, claim.id);
    loop.stopDelivering();
    db.close();
    await rm(folder, { recursive: true });
  });
});

async function nextAnswers(messages: AsyncIterableIterator<[FromThread]>): Promise<readonly Answer[]> {
  for await (const [{ answers, told }] of { [Symbol.asyncIterator]: () => ({ next: () => messages.next() }) }) {
    if (told === undefined) return answers;
  }
  throw new Error("the loop posts no more");
}
