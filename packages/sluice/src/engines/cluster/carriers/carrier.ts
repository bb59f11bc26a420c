// Carriers bring hints from the process that committed them to the workers. A hint names requests that may wait. The ledger knows
// whether they do. So a carrier may lose hints, double them and change their order: that costs time, and no request.
import type { RequestId } from "../../../core/request-id.ts";

export type CarrierName = "postgres" | "rabbitmq";

/** Fresh: nobody was given them yet. Again: they came back, from a retry, a hand-back, a replay or a dead worker. */
export type HintKind = "fresh" | "again" | "suspect";

/** A committed row of the outbox. */
export interface OutboxRow {
  readonly no: number;
  readonly queue: number;
  readonly kind: HintKind;
  readonly ids: readonly RequestId[];
}

/** What came by a carrier. */
export interface HintMessage {
  readonly carrier: CarrierName;
  readonly kind: HintKind;
  readonly ids: readonly RequestId[];
  /** Whether it fills what this process may hold: more fresh ones come when one is done. */
  readonly isLast: boolean;
  /** The carrier need not bring it again. Twice is safe. */
  done(): void;
}

export interface ConsumeOptions {
  readonly queue: string;
  /** Messages that are not done at a time, of fresh ones and of the others; 1 to 65,535. */
  readonly prefetch: number;
  readonly onHints: (message: HintMessage) => void;
  /** All that came by this carrier is void: it comes again. */
  readonly onLost: () => void;
}

export interface Consumption {
  /** What is not done goes back to the carrier at once. Twice is safe. */
  stop(): Promise<void>;
}

export interface Carrier extends AsyncDisposable {
  readonly name: CarrierName;
  /** Whether it has all of the row for certain, so that it may leave the outbox: there it stays otherwise. Never rejects. */
  carry(row: OutboxRow): Promise<boolean>;
  consume(options: ConsumeOptions): Consumption;
}
