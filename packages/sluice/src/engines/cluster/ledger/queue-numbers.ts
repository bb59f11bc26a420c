// The queues as the ledger numbers them, and which of them are paused.
import { SluiceError } from "../../../core/errors.ts";
import type { RequestId } from "../../../core/request-id.ts";
import type { Connected, Statement } from "./connection/database.ts";
import { lowestId, type IdBound } from "./state.ts";

const SELECT_QUEUES: Statement = {
  name: "select-queues",
  text: "SELECT no, name, is_paused, fresh_from, lines IS NOT NULL AS has_lines FROM sluice.queues",
};

interface QueueRow {
  readonly no: number;
  readonly name: string;
  readonly is_paused: boolean;
  readonly fresh_from: IdBound;
  readonly has_lines: boolean;
}

export class QueueNumbers {
  #byName: ReadonlyMap<string, QueueRow> = new Map();
  #byNo: ReadonlyMap<number, QueueRow> = new Map();
  #someHasLines = false;

  async read(connection: Connected): Promise<void> {
    const rows = await connection.rows<QueueRow & object>(SELECT_QUEUES);
    this.#byName = new Map(rows.map((row) => [row.name, row]));
    this.#byNo = new Map(rows.map((row) => [row.no, row]));
    this.#someHasLines = rows.some(({ has_lines: hasLines }) => hasLines);
  }

  names(): readonly string[] {
    return [...this.#byName.keys()];
  }

  noOf(name: string): number {
    const no = this.find(name);
    if (no === undefined) throw new SluiceError("unknown-queue", `there is no queue "${name}"`);
    return no;
  }

  find(name: string): number | undefined {
    return this.#byName.get(name)?.no;
  }

  nameOf(no: number): string | undefined {
    return this.#byNo.get(no)?.name;
  }

  /** Whether the leader would not look at this id: it takes nothing so old to be new. */
  isBehindMark(no: number, id: RequestId): boolean {
    return id < (this.#byNo.get(no)?.fresh_from ?? lowestId);
  }

  /** Whether its requests stand in lines. */
  hasLines(no: number): boolean {
    return this.#byNo.get(no)?.has_lines === true;
  }

  get someHasLines(): boolean {
    return this.#someHasLines;
  }

  isPaused(name: string): boolean {
    return this.#byName.get(name)?.is_paused === true;
  }
}
