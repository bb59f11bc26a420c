import type { DatabaseSync } from "node:sqlite";
import type { SeqSource } from "../../core/request-id.ts";
import type { Chains } from "./chains.ts";
import type { Lines } from "./lines.ts";
import type { Mark } from "./mark.ts";
import type { OpenFiles } from "./open-files.ts";
import type { QueueLedger } from "./queue-ledger.ts";

/** What the verbs of the writer share: each runs inside the transaction that the commit loop opened. */
export interface Store {
  readonly db: DatabaseSync;
  readonly queues: QueueLedger;
  readonly chains: Chains;
  readonly lines: Lines;
  readonly seqs: SeqSource;
  /** Checked before each commit. */
  readonly files: OpenFiles;
  /** Told of each commit. */
  readonly mark: Mark;
  /** Whether it only keeps requests that are to be handed on, and none begins or expires here. */
  readonly isSpool: boolean;
  now(): number;
}
