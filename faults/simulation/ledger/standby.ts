// A synchronous standby: what is committed reaches it a little later, and its client waits for that. Others may
// see it meanwhile. In PostgreSQL they do so once the wait is ended by somebody; here at once, which is the harder case.
import type { World } from "../world.ts";
import type { Sequence } from "./sequences.ts";
import type { Session } from "./session.ts";
import type { Changed, Tables } from "./tables.ts";

/** What the server says of a commit that it did not wait for. */
const notWaitedFor = "canceling wait for synchronous replication due to user request";
const lagMsMax = 2;

/** Who waits for a commit, and is told once it counts: with a warning when the wait was ended before. */
export interface Wait {
  readonly session: Session;
  readonly over: (warning?: string) => void;
}

interface Entry {
  readonly no: number;
  readonly changed: readonly Changed[];
  readonly logged: Readonly<Record<keyof Sequences, number>>;
  wait: Wait | undefined;
}

export interface Sequences {
  readonly tokens: Sequence;
  readonly outboxNos: Sequence;
  readonly lineNos: Sequence;
  readonly eventNos: Sequence;
}

export class Standby {
  /** As it has them. */
  readonly tables: Tables;
  readonly #world: World;
  readonly #sequences: Sequences;
  readonly #log: Entry[] = [];
  #no = 0;
  #awayUntil = 0;
  #logged: Entry["logged"];

  constructor(world: World, tables: Tables, sequences: Sequences) {
    this.#world = world;
    this.#sequences = sequences;
    this.#logged = loggedOf(sequences);
    this.tables = tables.clone();
    this.tables.forgetClaims();
    this.tables.journal.length = 0;
  }

  send(changed: readonly Changed[], wait: Wait | undefined): void {
    this.#no += 1;
    const no = this.#no;
    this.#log.push({ no, changed, wait, logged: loggedOf(this.#sequences) });
    this.#world.time.after(this.#world.random.next() * lagMsMax, () => this.#receive(no));
  }

  /** It receives nothing for so long. */
  leave(forMs: number): void {
    this.#awayUntil = Math.max(this.#awayUntil, this.#world.time.now + forMs);
    this.#world.time.after(forMs, () => this.#receive(this.#no));
  }

  isWaitedForBy(session: unknown): boolean {
    return this.#log.some(({ wait }) => wait?.session.no === session);
  }

  /** As by pg_cancel_backend: each that waits is answered, though the standby does not have it. */
  cancelWaits(): void {
    for (const { over } of this.#takeWaits()) over(notWaitedFor);
  }

  /** As by pg_terminate_backend. */
  terminateWaits(): void {
    for (const { session } of this.#takeWaits())
      session.wire.closeByServer("terminating connection due to administrator command");
  }

  /** It becomes the primary; what it never received. */
  promote(): readonly Changed[] {
    const { tokens, outboxNos, lineNos, eventNos } = this.#sequences;
    tokens.setTo(this.#logged.tokens);
    tokens.flush();
    outboxNos.setTo(this.#logged.outboxNos);
    lineNos.setTo(this.#logged.lineNos);
    eventNos.setTo(this.#logged.eventNos);
    return this.#log.splice(0).flatMap(({ changed }) => changed);
  }

  #takeWaits(): readonly Wait[] {
    return this.#log.flatMap((entry) => {
      const { wait } = entry;
      entry.wait = undefined;
      return wait ?? [];
    });
  }

  #receive(upTo: number): void {
    if (this.#world.time.now < this.#awayUntil) return;
    for (let [entry] = this.#log; entry !== undefined && entry.no <= upTo; [entry] = this.#log) {
      this.#log.shift();
      this.tables.apply(entry.changed);
      this.#logged = entry.logged;
      entry.wait?.over();
    }
  }
}

function loggedOf({ tokens, outboxNos, lineNos, eventNos }: Sequences): Entry["logged"] {
  return {
    tokens: tokens.logged,
    outboxNos: outboxNos.logged,
    lineNos: lineNos.logged,
    eventNos: eventNos.logged,
  };
}
