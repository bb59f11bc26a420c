// What a start makes of a folder that is not as the last process left it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";
import { temporaryFolder, type TemporaryFolder } from "@sluice/testing";
import { runSluice } from "../../../test/run-sluice.ts";
import { SluiceError } from "../../core/errors.ts";
import type { Engine } from "../../engine/engine.ts";
import { openEmbedded } from "./open.ts";

const queues = [{ name: "q", backlogMax: 10_000, backlogBytesMax: 10_000_000 }];
let root: TemporaryFolder;
let folder: string;

beforeEach(async () => {
  root = await temporaryFolder();
  folder = join(root.path, "data");
});

afterEach(() => root[Symbol.asyncDispose]());

const at = (name: string): string => join(folder, name);

function open(): Promise<Engine> {
  return openEmbedded({ folder, queues, diskFreeMin: 0 });
}

async function accept(engine: Engine, count = 1): Promise<void> {
  const one = {
    queue: "q",
    key: undefined,
    contentType: "text/plain",
    headers: undefined,
    body: Buffer.from("a body"),
  };
  assert.equal((await engine.accept(Array.from({ length: count }, () => one))).kind, "accepted");
}

async function accepted(): Promise<number | undefined> {
  await using engine = await open();
  const { holds, queues: counts } = await engine.audit();
  assert.ok(holds);
  return counts[0]?.accepted;
}

/** The folder as a killed process leaves it, with commits that are only in the log. */
async function killed(): Promise<void> {
  const engine = await open();
  await accept(engine, 3);
  for (let round = 0; round < 5; round += 1) await accept(engine);
  const image = join(root.path, "image");
  cpSync(folder, image, { recursive: true });
  await engine.close();
  rmSync(folder, { recursive: true });
  renameSync(image, folder);
}

async function closed(): Promise<void> {
  const engine = await open();
  await accept(engine, 3);
  await engine.close();
}

async function backUp(): Promise<string> {
  const to = join(root.path, "backup.db");
  const db = new DatabaseSync(at("sluice.db"), { readOnly: true });
  await backup(db, to);
  db.close();
  return to;
}

/** And nothing is changed: somebody may still put things right. */
async function assertRefused(message: RegExp): Promise<void> {
  const before = contents();
  await assert.rejects(
    open().then((engine) => engine.close()),
    (error) => {
      assert.ok(error instanceof SluiceError, String(error));
      assert.equal(error.code, "store-damaged", error.message);
      assert.match(error.message, message);
      assert.ok(error.message.includes(at("sluice.db")), error.message);
      return true;
    },
  );
  assert.deepEqual(contents(), before);
}

/** A log that is empty is as none. */
function contents(): readonly string[] {
  return ["sluice.db", "sluice.db-wal", "sluice.mark"].map((name) =>
    existsSync(at(name)) ? readFileSync(at(name), "latin1") : "",
  );
}

describe("a folder whose process was killed", () => {
  it("goes on with all of it", async () => {
    await killed();
    assert.equal(await accepted(), 8);
  });

  it("is refused without its log, and goes on without what was lost once the mark is deleted", async () => {
    await killed();
    rmSync(at("sluice.db-wal"));
    await assertRefused(/is at change \d+, and .*sluice\.mark says that it was at change \d+/);
    rmSync(at("sluice.mark"));
    assert.equal(await accepted(), 0);
  });

  it("is refused when its log is cut off or overwritten", async () => {
    await killed();
    const whole = readFileSync(at("sluice.db-wal"));
    truncateSync(at("sluice.db-wal"), whole.length / 2);
    await assertRefused(/is at change/);
    writeFileSync(at("sluice.db-wal"), Buffer.alloc(whole.length));
    await assertRefused(/is at change/);
  });

  it("is refused with a backup laid over it, and starts once its log and mark are deleted", async () => {
    const engine = await open();
    await accept(engine, 3);
    const of = await backUp();
    for (let round = 0; round < 5; round += 1) await accept(engine);
    const image = join(root.path, "image");
    cpSync(folder, image, { recursive: true });
    await engine.close();
    rmSync(folder, { recursive: true });
    renameSync(image, folder);
    copyFileSync(of, at("sluice.db"));
    await assertRefused(/is not the database that its log .* was written for/);
    for (const name of ["sluice.mark", "sluice.db-wal", "sluice.db-shm"]) rmSync(at(name), { force: true });
    assert.equal(await accepted(), 3);
  });

  it("goes on with all of it after a start that was killed while it carried the log into the database", async () => {
    await killed();
    const args = ["up", "--data", folder, "--port", "0", "--queue", "q", "--target", "http://127.0.0.1:9"];
    const { exitCode } = await runSluice({ args, env: { SLUICE_CRASH_AT: "start" } });
    assert.equal(exitCode, null); // killed
    const db = new DatabaseSync(at("sluice.db"));
    db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    const image = join(root.path, "image");
    cpSync(folder, image, { recursive: true });
    db.close();
    rmSync(folder, { recursive: true });
    renameSync(image, folder);
    assert.equal(await accepted(), 8);
  });

  it("goes on with all of it when its mark was deleted", async () => {
    await killed();
    rmSync(at("sluice.mark"));
    assert.equal(await accepted(), 8);
  });

  it("is refused while a file of it is none", async () => {
    await killed();
    rmSync(at("sluice.mark"));
    mkdirSync(at("sluice.mark"));
    await assert.rejects(open(), { code: "bad-config", message: /sluice\.mark must be a regular file/ });
  });

  for (const [name, what, put] of [
    ["owner.lock", "garbage", (file) => writeFileSync(file, "x".repeat(5_000))],
    ["owner.lock", "a folder", (file) => mkdirSync(file)],
    ["owner.lock", "a pipe", (file) => execFileSync("mkfifo", [file])],
    ["owner.json", "a pipe", (file) => execFileSync("mkfifo", [file])],
    ["moved.json", "a pipe", (file) => execFileSync("mkfifo", [file])],
  ] as const satisfies readonly (readonly [string, string, (file: string) => unknown])[])
    it(`is refused while ${name} is ${what}, by its name`, async () => {
      await killed();
      rmSync(at(name), { force: true });
      put(at(name));
      const message = new RegExp(`${name} (must be a regular file|is not a lock)`);
      await assert.rejects(open(), { code: "bad-config", message });
      rmSync(at(name), { recursive: true });
      assert.equal(await accepted(), 8);
    });

  it("is refused with a backup of an earlier start laid over it, also one that was restored before", async () => {
    await closed();
    const of = await backUp();
    rmSync(folder, { recursive: true });
    await closed();
    rmSync(at("sluice.mark"));
    copyFileSync(of, at("sluice.db"));
    const engine = await open();
    await accept(engine);
    const later = await backUp();
    await accept(engine);
    const image = join(root.path, "image");
    cpSync(folder, image, { recursive: true });
    await engine.close();
    rmSync(folder, { recursive: true });
    renameSync(image, folder);
    for (const one of [of, later]) {
      copyFileSync(one, at("sluice.db"));
      await assertRefused(/is not the database that its log/);
    }
  });
});

describe("a folder whose process was stopped", () => {
  it("keeps no log, and goes on", async () => {
    await closed();
    assert.equal(existsSync(at("sluice.db-wal")), false);
    assert.equal(await accepted(), 3);
  });

  it("is refused with an older database in it, and goes on from that once the mark is deleted", async () => {
    await closed();
    const of = await backUp();
    const engine = await open();
    await accept(engine);
    await engine.close();
    copyFileSync(of, at("sluice.db"));
    await assertRefused(/is at change \d+, and .*sluice\.mark says that it was at change \d+/);
    rmSync(at("sluice.mark"));
    assert.equal(await accepted(), 3);
  });

  it("is refused when its database is missing, empty, zeroed, cut off, or another one", async () => {
    await closed();
    const whole = readFileSync(at("sluice.db"));
    rmSync(at("sluice.db"));
    await assertRefused(/is missing/);
    writeFileSync(at("sluice.db"), "");
    await assertRefused(/is empty/);
    writeFileSync(at("sluice.db"), Buffer.alloc(whole.length));
    await assertRefused(/is not an SQLite database/);
    writeFileSync(at("sluice.db"), whole.subarray(0, whole.length / 2));
    await assertRefused(/was cut off/);
    writeFileSync(at("sluice.db"), Buffer.concat([whole.subarray(0, 100), Buffer.alloc(whole.length - 100)]));
    await assertRefused(/the file is damaged/);
    const other = join(root.path, "other");
    const engine = await openEmbedded({ folder: other, queues, diskFreeMin: 0 });
    await accept(engine, 20);
    await engine.close();
    copyFileSync(join(other, "sluice.db"), at("sluice.db"));
    await assertRefused(/is another store/);
    writeFileSync(at("sluice.db"), whole);
    assert.equal(await accepted(), 3);
  });

  it("goes on when its mark is damaged: it only knows less", async () => {
    await closed();
    writeFileSync(at("sluice.mark"), "");
    assert.equal(await accepted(), 3);
  });

  it("may be copied, and a backup may be put into an empty folder", async () => {
    await closed();
    const of = await backUp();
    const copy = join(root.path, "copy");
    cpSync(folder, copy, { recursive: true });
    rmSync(folder, { recursive: true });
    renameSync(copy, folder);
    assert.equal(await accepted(), 3);
    rmSync(folder, { recursive: true });
    cpSync(of, at("sluice.db"));
    assert.equal(await accepted(), 3);
  });
});
