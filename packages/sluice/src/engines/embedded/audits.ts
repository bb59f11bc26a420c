// Audits on a thread of their own, which is opened for the first: an audit looks at every row, and no other read is to wait
// behind it. Audits take turns there.
import type { AuditOptions, AuditReport, OrderReport } from "../../engine/audit.ts";
import type { ReaderCall } from "./calls.ts";
import type { Thread } from "./thread.ts";

export class Audits {
  readonly #open: () => Promise<Thread<ReaderCall>>;
  #thread: Promise<Thread<ReaderCall>> | undefined;

  constructor(open: () => Promise<Thread<ReaderCall>>) {
    this.#open = open;
  }

  async audit(now: number, { timeoutMsOf }: AuditOptions): Promise<AuditReport> {
    const thread = await this.#opened();
    return thread.call({ verb: "audit", args: [now, timeoutMsOf] });
  }

  async auditOrder(): Promise<OrderReport> {
    const thread = await this.#opened();
    return thread.call({ verb: "auditOrder", args: [] });
  }

  #opened(): Promise<Thread<ReaderCall>> {
    this.#thread ??= this.#open().catch((error: unknown) => {
      this.#thread = undefined; // the next audit tries again
      throw error;
    });
    return this.#thread;
  }

  /** Waits for the audits under way. */
  async close(): Promise<void> {
    const thread = await this.#thread?.catch(() => undefined);
    await thread?.call({ verb: "close", args: [] });
    await thread?.exited();
  }
}
