// Leadership by an advisory lock of PostgreSQL: it belongs to a session, and goes with it. The server ends a session
// that is silent, so that a leader that is stopped or cut off does not hold its lock for ever.
import type { Leadership, LeadershipOptions } from "../../engine/leadership.ts";
import { Connection, type Statement } from "./database.ts";

/** The first key of these locks; the second is a hash of what is led. Apart from those of the members. */
const scopeLockClass = 0x51_1c_e1;

/** Taken again by its holder it stays with it: the server counts, and lets go of all at the session's end. */
const LEAD: Statement = {
  name: "lead-scope",
  text: `SELECT pg_try_advisory_lock(${scopeLockClass}, hashtext($1)) AS leads`,
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
