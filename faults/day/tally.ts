// The checker of a day: holds the books against B's logs and against what was read back, in a few bytes for each
// request. Blind to the product's own store. Books come first, then the list, then effects and results in any order.
import type { BookLine } from "./books.ts";
import { bodyHashLength } from "./day-logs.ts";
import { IdTable } from "./id-table.ts";
import { numberOf, type Parcels } from "./parcels.ts";

export interface DayFigures {
  readonly accepted: number;
  /** Requests of POSTs without an answer, as often as that happened; sent again each time. */
  readonly unknown: number;
  /** Requests of POSTs that were refused for the moment, likewise. */
  readonly refused: number;
  readonly withoutReceipt: number;
  readonly starts: number;
  readonly effects: number;
  /** Results that were read and are what the body demands. */
  readonly done: number;
  readonly dead: number;
  /** Accepted, and neither done with its effect, its place in the list and its result, nor declared dead. */
  readonly lost: number;
  /** Keys with a second id, and results that changed after they were read. */
  readonly doubledOutcomes: number;
  /** Effects beyond the first of their request. */
  readonly doubledEffects: number;
  /** Requests and effects of what nobody sent. */
  readonly phantom: number;
  /** Effects and results of another body than was sent. */
  readonly mismatched: number;
}

/** The figures that must be zero whatever was killed. */
export const forbiddenOfDay = [
  "withoutReceipt",
  "dead",
  "lost",
  "doubledOutcomes",
  "phantom",
  "mismatched",
] as const satisfies readonly (keyof DayFigures)[];

export interface ListedRequest {
  readonly id: string;
  readonly key: string | null;
  readonly state: string;
}

export interface ResultRead {
  readonly resultHash: string;
  /** The body's hash that B wrote into it; undefined when it is not B's answer. */
  readonly resultOf: string | undefined;
}

const sent = 1;
const accepted = 2;
const listedDone = 4;
const dead = 8;
const resultRead = 16;
const effected = 32;
const isComplete = accepted | listedDone | resultRead | effected;

export class Tally {
  readonly #parcels: Parcels;
  readonly #ids: IdTable;
  readonly #marks: Uint8Array;
  /** Results that were read on the way, by id: a bounded sample. */
  readonly #told = new Map<string, string>();
  #unknown = 0;
  #refused = 0;
  #starts = 0;
  #effects = 0;
  #doubledOutcomes = 0;
  #doubledEffects = 0;
  #phantom = 0;
  #mismatched = 0;

  constructor(parcels: Parcels) {
    this.#parcels = parcels;
    this.#ids = new IdTable(parcels.total);
    this.#marks = new Uint8Array(parcels.total);
  }

  heed(line: BookLine): void {
    switch (line.kind) {
      case "sent":
        for (let number = line.from; number < line.from + line.count; number += 1) this.#mark(number, sent);
        return;
      case "accepted":
        for (let index = 0; index < line.count; index += 1)
          this.#accept(line.from + index, line.ids.slice(32 * index, 32 * (index + 1)));
        return;
      case "refused":
        this.#refused += line.count;
        return;
      case "unknown":
        this.#unknown += line.count;
        return;
      case "result":
        this.#told.set(line.id, line.resultHash);
        return;
      default:
        line satisfies never;
    }
  }

  /** As the gateway lists it, each request once. */
  heedListed({ id, key, state }: ListedRequest): void {
    const number = numberOf(key);
    if (number === undefined || !this.#has(number, sent)) {
      this.#phantom += 1;
    } else if (this.#ids.numberOf(id) !== number || this.#has(number, listedDone | dead)) {
      this.#doubledOutcomes += 1;
    } else if (state === "done") {
      this.#mark(number, listedDone);
    } else if (state === "dead" || state === "cancelled") {
      this.#mark(number, dead);
    }
  }

  heedStart(): void {
    this.#starts += 1;
  }

  heedEffect(id: string, bodyHash: string): void {
    this.#effects += 1;
    const number = this.#ids.numberOf(id);
    if (number === undefined) {
      this.#phantom += 1;
      return;
    }
    if (bodyHash !== this.#parcels.hashOf(number).slice(0, bodyHashLength)) this.#mismatched += 1;
    if (this.#has(number, effected)) this.#doubledEffects += 1;
    this.#mark(number, effected);
  }

  /** Of a request that has a receipt. */
  heedResult(number: number, { resultHash, resultOf }: ResultRead): void {
    const told = this.#told.get(this.#ids.idOf(number));
    if (told !== undefined && told !== resultHash) this.#doubledOutcomes += 1;
    if (resultOf === this.#parcels.hashOf(number)) this.#mark(number, resultRead);
    else this.#mismatched += 1;
  }

  /** Undefined for a number without a receipt. */
  idOf(number: number): string | undefined {
    return this.#has(number, accepted) ? this.#ids.idOf(number) : undefined;
  }

  figures(): DayFigures {
    const marks = this.#marks;
    const count = (isMeant: (mark: number) => boolean): number =>
      marks.reduce((sum, mark) => sum + (isMeant(mark) ? 1 : 0), 0);
    return {
      accepted: count((mark) => (mark & accepted) !== 0),
      unknown: this.#unknown,
      refused: this.#refused,
      withoutReceipt: count((mark) => (mark & accepted) === 0),
      starts: this.#starts,
      effects: this.#effects,
      done: count((mark) => (mark & resultRead) !== 0),
      dead: count((mark) => (mark & dead) !== 0),
      lost: count((mark) => (mark & accepted) !== 0 && (mark & dead) === 0 && (mark & isComplete) !== isComplete),
      doubledOutcomes: this.#doubledOutcomes,
      doubledEffects: this.#doubledEffects,
      phantom: this.#phantom,
      mismatched: this.#mismatched,
    };
  }

  #accept(number: number, id: string): void {
    const known = this.#ids.numberOf(id);
    if (!this.#has(number, accepted) && known === undefined) {
      this.#ids.set(number, id);
      this.#mark(number, accepted);
    } else if (known !== number) {
      this.#doubledOutcomes += 1;
    }
  }

  #mark(number: number, mark: number): void {
    this.#marks[number] = (this.#marks[number] ?? 0) | mark;
  }

  #has(number: number, mark: number): boolean {
    return ((this.#marks[number] ?? 0) & mark) !== 0;
  }
}
