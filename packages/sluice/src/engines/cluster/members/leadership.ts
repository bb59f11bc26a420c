// Leadership of what is led beside the cluster itself, such as its autoscaler: see terms.ts.
import { randomUUID } from "node:crypto";
import type { Leadership, LeadershipOptions } from "../../../engine/leadership.ts";
import { Connection, type Statement } from "../ledger/connection/database.ts";
import { ADD_SCOPE, LET_GO, takeLead, termOf } from "../leader/terms.ts";

const LEAD: Statement = {
  name: "lead",
  text: `WITH led AS (${takeLead("$1", "$2", "$3")}) SELECT ${termOf("$1", "$2")} AS term`,
};

export function openLeadership(databaseUrl: string, { scope, silentMs }: LeadershipOptions): Leadership {
  const connection = new Connection({ databaseUrl, name: `sluice leadership, ${scope}`.slice(0, 63) });
  const holder = randomUUID();
  let isAdded = false;
  return {
    async leads() {
      if (!isAdded) await connection.rows(ADD_SCOPE, [scope]);
      isAdded = true;
      const [row] = await connection.rows<{ term: number | null }>(LEAD, [scope, holder, silentMs]);
      return typeof row?.term === "number";
    },
    async [Symbol.asyncDispose]() {
      await connection.rows(LET_GO, [scope, holder]).catch(() => undefined); // its term expires
      await connection[Symbol.asyncDispose]();
    },
  };
}
