// Leadership by an advisory lock of PostgreSQL: it belongs to a session, and goes with it. The server ends a session
// that is silent, so that a leader that is stopped or cut off does not hold its lock for ever.
import type { Leadership, LeadershipOptions } from "../../engine/leadership.ts";
import { Connection, type Statement } from "./database.ts";

/** The first key of these locks; the second is a hash of what is led. Apart from those of the members. */
const scopeLockClass = 0x51_1c_e1;

/** What is held already is not taken a second time. */
const LEAD: Statement = {
  name: "lead-scope",
  text: `SELECT CASE WHEN EXISTS (
      SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted
        AND classid = ${scopeLockClass} AND objid::bigint = hashtext($1)::bigint & 4294967295)
    THEN true ELSE pg_try_advisory_lock(${scopeLockClass}, hashtext($1)) END AS leads`,
};

export function openLeadership(databaseUrl: string, { scope, silentMs }: LeadershipOptions): Leadership {
  const connection = new Connection({
    databaseUrl,
    name: `sluice leadership, ${scope}`.slice(0, 63),
    settings: { idle_session_timeout: String(Math.ceil(silentMs)) },
  });
  return {
    async leads() {
      const [row] = await connection.rows<{ leads: boolean }>(LEAD, [scope]);
      return row?.leads === true;
    },
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  };
}
