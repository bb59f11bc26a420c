// What PostgreSQL must promise before anything is accepted (I9).
import { SluiceError } from "../../../../core/errors.ts";
import type { Durability } from "../../../../core/request.ts";
import type { Connected, Statement } from "./database.ts";

const SELECT_SETTINGS: Statement = {
  name: "settings-check",
  text: `SELECT current_setting('server_version_num')::int AS version_num, current_setting('server_version') AS version,
      current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
      current_setting('synchronous_commit') AS synchronous_commit,
      current_setting('client_min_messages') AS client_min_messages,
      current_setting('default_transaction_read_only') AS read_only, pg_is_in_recovery() AS in_recovery`,
};
const versionNumMin = 150_000;

/** In a statement that commits, as `rests_on`: what its commit rests on, by the settings that hold for it. */
export const restsOn = `concat_ws(',', current_setting('fsync'), current_setting('full_page_writes'),
  current_setting('synchronous_commit'), current_setting('client_min_messages'),
  current_setting('synchronous_standby_names')) AS rests_on`;

export const RESTS_ON: Statement = { name: "rests-on", text: `SELECT ${restsOn}` };
/** A part of a statement that the rest of it reads from: its commit waits for no standby, as what it says can be said again. */
export const locally = "locally AS MATERIALIZED (SELECT set_config('synchronous_commit', 'local', true))";
/** As above; its commit waits for nothing, as what it says may be lost. */
export const quickly = "quickly AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))";

/**
 * As above; where a standby is waited for it waits as a receipt does. Commits are replicated in their order: what it saw will be
 * there after a failover.
 */
export const behindWhatItSaw = `behind_what_it_saw AS MATERIALIZED (SELECT set_config('synchronous_commit',
      CASE current_setting('synchronous_standby_names') WHEN '' THEN 'off' ELSE current_setting('synchronous_commit') END, true))`;

export interface RestsOnRow {
  readonly rests_on: string;
}

/** What a commit is worth. Errors: `store-unavailable` when it is worth nothing. */
export function durabilityOf({ rests_on }: RestsOnRow): Durability {
  const [fsync, fullPageWrites, synchronousCommit, messages, ...standbys] = rests_on.split(",");
  const unsafe = [
    ...(fsync === "on" ? [] : [`fsync is ${fsync}`]),
    ...(fullPageWrites === "on" ? [] : [`full_page_writes is ${fullPageWrites}`]),
    ...(synchronousCommit === "off" ? ["synchronous_commit is off"] : []),
    // Nobody would hear of a commit that did not wait for its standby.
    ...(messages === "error" ? ["client_min_messages is error"] : []),
  ];
  if (unsafe.length > 0)
    throw new SluiceError("store-unavailable", `PostgreSQL cannot keep what it is given: ${unsafe.join(", ")}`);
  const hasStandby = standbys.some((name) => name !== "");
  const waitsForIt = synchronousCommit === "on" || synchronousCommit === "remote_apply";
  return hasStandby && waitsForIt ? "postgres+standby" : "postgres";
}

export interface SettingFact {
  readonly setting: string;
  readonly found: string;
  readonly needed: string;
  readonly isSafe: boolean;
  /** What goes wrong otherwise. */
  readonly why: string;
}

interface SettingsRow {
  readonly version_num: number;
  readonly version: string;
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly synchronous_commit: string;
  readonly client_min_messages: string;
  readonly read_only: string;
  readonly in_recovery: boolean;
}

export function onlyThePrimary(): SluiceError {
  return new SluiceError(
    "store-unavailable",
    'no standby has confirmed it, which `durability: "standby"` asks for: synchronous_standby_names is empty, or ' +
      "synchronous_commit waits for none",
  );
}

/** Errors: `unsafe-store`, naming each setting with what was found and what is needed. */
export async function checkSettings(db: Connected): Promise<void> {
  const unsafe = (await readSettings(db)).filter(({ isSafe }) => !isSafe);
  if (unsafe.length === 0) return;
  const faults = unsafe.map(({ setting, found, needed, why }) => `${setting} is ${found}, must be ${needed}: ${why}`);
  throw new SluiceError("unsafe-store", `PostgreSQL cannot keep what it is given; ${faults.join("; ")}`);
}

export async function readSettings(db: Connected): Promise<readonly SettingFact[]> {
  const [row] = await db.rows<SettingsRow>(SELECT_SETTINGS);
  if (row === undefined) return [];
  const lost = "a crash of its machine loses what was answered with a receipt";
  return [
    {
      setting: "server_version",
      found: row.version,
      needed: "15 or newer",
      isSafe: row.version_num >= versionNumMin,
      why: "older ones are not tested",
    },
    switchedOn("fsync", row.fsync, lost),
    switchedOn("full_page_writes", row.full_page_writes, "a crash of its machine can leave torn pages"),
    {
      setting: "synchronous_commit",
      found: row.synchronous_commit,
      needed: "on, local, remote_write or remote_apply",
      isSafe: row.synchronous_commit !== "off",
      why: lost,
    },
    {
      setting: "client_min_messages",
      found: row.client_min_messages,
      needed: "warning or lower",
      isSafe: row.client_min_messages !== "error",
      why: "a commit that did not wait for its standby is told by a warning",
    },
    {
      setting: "default_transaction_read_only",
      found: row.read_only,
      needed: "off",
      isSafe: row.read_only === "off",
      why: "nothing can be accepted",
    },
    {
      setting: "pg_is_in_recovery",
      found: row.in_recovery ? "true" : "false",
      needed: "false",
      isSafe: !row.in_recovery,
      why: "this is a standby, which takes no writes",
    },
  ];
}

function switchedOn(setting: string, found: string, why: string): SettingFact {
  return { setting, found, needed: "on", isSafe: found === "on", why };
}
