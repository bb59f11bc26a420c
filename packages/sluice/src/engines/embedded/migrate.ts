import type { DatabaseSync } from "node:sqlite";
import { SluiceError } from "../../core/errors.ts";
import { crashPoint } from "../../engine/crash-point.ts";
import { requests } from "./migrations/0001-requests.ts";
import { callbacks } from "./migrations/0002-callbacks.ts";
import { clocks } from "./migrations/0003-clocks.ts";
import { pauses } from "./migrations/0004-pauses.ts";
import { scaling } from "./migrations/0005-scaling.ts";
import { activity } from "./migrations/0006-activity.ts";
import { chains } from "./migrations/0007-chains.ts";
import { responses } from "./migrations/0008-responses.ts";
import { placements } from "./migrations/0009-placements.ts";

/** In order; what is released is never edited, only added to. The store's `user_version` counts those applied. */
const migrations: readonly string[] = [
  requests,
  callbacks,
  clocks,
  pauses,
  scaling,
  activity,
  chains,
  responses,
  placements,
];

/** Brings the store up to this version, each step in a transaction of its own. Refuses a newer store. */
export function migrate(db: DatabaseSync): void {
  const applied = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
  if (applied > migrations.length) {
    throw new SluiceError(
      "schema-newer",
      `the data folder has schema ${applied}, this Sluice knows up to ${migrations.length}: start the newer version`,
    );
  }
  for (const [index, statements] of migrations.entries()) {
    if (index < applied) continue;
    db.exec("BEGIN IMMEDIATE");
    db.exec(statements);
    db.exec(`PRAGMA user_version = ${index + 1}`);
    crashPoint("migration");
    db.exec("COMMIT");
  }
}
