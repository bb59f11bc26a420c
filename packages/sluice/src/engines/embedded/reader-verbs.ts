// What the reader's thread answers, verb by verb.
import type { DatabaseSync } from "node:sqlite";
import { prepareListActivity } from "./activity.ts";
import { prepareAudit } from "./audit.ts";
import { prepareOrderAudit } from "./audit-order.ts";
import { prepareBacklog } from "./backlog.ts";
import { prepareCallbacksDue } from "./callbacks.ts";
import { prepareCountDead, prepareDeadByError } from "./dead-by-error.ts";
import { refuseOlder } from "./examine.ts";
import { wasKeyed } from "./keyed.ts";
import { prepareList } from "./list.ts";
import { readMark } from "./mark.ts";
import { prepareReads } from "./read.ts";

export type ReaderVerbs = ReturnType<typeof prepareReaderVerbs>;

export function prepareReaderVerbs(db: DatabaseSync, folder: string) {
  const { audit, prove } = prepareAudit(db);
  return {
    ...prepareReads(db),
    list: prepareList(db),
    deadByError: prepareDeadByError(db),
    countDead: prepareCountDead(db),
    backlog: prepareBacklog(db),
    callbacksDue: prepareCallbacksDue(db),
    listActivity: prepareListActivity(db),
    audit: (now: number, timeoutMsOf: ReadonlyMap<string, number>) => ofThisStore(() => audit(now, timeoutMsOf)),
    auditOrder: () => ofThisStore(prepareOrderAudit(db)),
    prove,
    wasKeyed: () => wasKeyed(db),
    close: () => db.close(),
  };

  /** An audit of a store that fell behind would prove something else. */
  function ofThisStore<Report>(prove: () => Report): Report {
    const mark = readMark(folder);
    const report = prove();
    if (mark !== undefined) refuseOlder(db, folder, mark);
    return report;
  }
}
