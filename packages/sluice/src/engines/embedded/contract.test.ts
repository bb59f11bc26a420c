import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { temporaryFolder } from "@sluice/testing";
import { seqOf } from "../../core/request-id.ts";
import { describeEngine } from "../../engine/contract/suite.ts";
import type { Store } from "../../engine/contract/rig.ts";
import { openEmbedded } from "./open.ts";

/** SLUICE_TEST_SEED runs the histories of a failed run again, SLUICE_TEST_RUNS runs more of them. */
const { SLUICE_TEST_SEED: seed = Date.now() % 2 ** 31, SLUICE_TEST_RUNS: runs = 50 } = process.env;

describeEngine({
  name: "embedded",
  newStore,
  pullsDueTimesIn: true,
  isToldOfCrashes: true,
  sharesRates: false,
  sharesTransactions: false,
  isShared: false,
  histories: { runs: Number(runs), seed: Number(seed) },
});

async function newStore(): Promise<Store> {
  const root = await temporaryFolder();
  let lives = 0;
  let folder = join(root.path, "0");
  const behindItsBack = (sql: string, seq: number): void => {
    const db = new DatabaseSync(join(folder, "sluice.db"));
    db.exec("PRAGMA busy_timeout = 5000");
    db.prepare(sql).run(seq);
    db.close();
  };
  return {
    open: (options) => openEmbedded({ folder, diskFreeMin: 0, ...options }),
    async crash(engine) {
      lives += 1;
      const image = join(root.path, String(lives));
      copyAsKilled(folder, image);
      folder = image;
      await engine.close(); // too late to matter: its folder is not the store any more
    },
    async vanish(_engine, id) {
      behindItsBack("DELETE FROM requests WHERE seq = ?", seqOf(id));
    },
    async undo(_engine, id) {
      behindItsBack(
        `UPDATE queues SET accepted = accepted - (SELECT length(ids) / 16 FROM links WHERE ? BETWEEN first_seq AND last_seq)`,
        seqOf(id),
      );
      behindItsBack(
        "DELETE FROM requests WHERE seq IN (SELECT r.seq FROM links l JOIN requests r ON r.seq BETWEEN first_seq AND last_seq WHERE ? BETWEEN first_seq AND last_seq)",
        seqOf(id),
      );
      behindItsBack("DELETE FROM links WHERE ? BETWEEN first_seq AND last_seq", seqOf(id));
    },
    async spoil(_engine, id) {
      behindItsBack(
        "UPDATE requests SET body = CAST(substr(body, 1, length(body) - 1) || '!' AS BLOB) WHERE seq = ?",
        seqOf(id),
      );
    },
    async misdate(_engine, id, times) {
      if (times === undefined) return behindItsBack("DELETE FROM outcomes WHERE seq = ?", seqOf(id));
      const { startedAt = "started_at", finishedAt = "finished_at" } = times;
      const set = `started_at = ${startedAt}, finished_at = ${finishedAt}`;
      behindItsBack(`UPDATE outcomes SET ${set} WHERE seq = ?`, seqOf(id));
    },
    [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
  };
}

/**
 * Copies what SIGKILL leaves: with no commit under way, the database and its log as they are. The log goes first:
 * what a checkpoint carries over in between is then there twice, and never missing.
 */
function copyAsKilled(from: string, to: string): void {
  mkdirSync(to);
  for (const file of ["sluice.mark", "sluice.db-wal", "sluice.db"]) {
    if (existsSync(join(from, file))) copyFileSync(join(from, file), join(to, file));
  }
}
