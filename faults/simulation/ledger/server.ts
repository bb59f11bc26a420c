// The ledger's server: sessions, transactions that change the tables at their commit, crashes. Of the
// transactions that have changed rows one is open at a time; others that want to change something wait for it.
import { seededRandom, type Random } from "../../../packages/sluice/src/core/seeded-random.ts";
import type { World } from "../world.ts";
import { epochMs } from "../time.ts";
import type { Wire } from "../wire.ts";
import { auditModels } from "./audits.ts";
import { chainModels } from "./chains.ts";
import { lineModels } from "./lines.ts";
import { memberModels } from "./members.ts";
import { Refusal, type Model, type Row } from "./model.ts";
import { operateModels } from "./operate.ts";
import { outcomeModels } from "./outcomes.ts";
import { requestModels } from "./requests.ts";
import type { Recorded } from "./recording.ts";
import { Sequence } from "./sequences.ts";
import type { Answer, Query, Session } from "./session.ts";
import { Standby, type Sequences } from "./standby.ts";
import { Tables } from "./tables.ts";

const models: Readonly<Record<string, Model>> = {
  ...requestModels,
  ...outcomeModels,
  ...memberModels,
  ...operateModels,
  ...lineModels,
  ...auditModels,
  ...chainModels,
};

/** What it says of itself to each client that connects. */
const primary = { in_recovery: false, read_only: "off", timeline: null };
/** Settings that are safe. */
const restsOn = "on,on,on,notice,";
/** How long others may commit between a statement's snapshot and its changes. */
const gapMsMax = 20;

type Asked = Extract<Recorded, { kind: "statement" }>;

/** What a commit does not wait for: the disk, or the standby alone. */
interface Waiting {
  readonly isQuick?: boolean | undefined;
  readonly isLocal?: boolean | undefined;
}

export class Ledger {
  tables = new Tables();
  isUp = true;
  /** How often it has lost its unlogged tables. */
  crashes = 0;
  readonly sessions = new Set<Session>();
  readonly #world: World;
  readonly #sequences: Sequences = {
    tokens: new Sequence(),
    outboxNos: new Sequence(),
    lineNos: new Sequence(),
    eventNos: new Sequence(),
  };
  readonly #skips: Random;
  #standby: Standby | undefined;
  #writer: Session | undefined;
  #waiting: (() => void)[] = [];
  /** Members of which a statement that stores is under way. */
  readonly #storing = new Set<unknown>();
  /** Numbers of sessions that were terminated: what they have not begun they never will. */
  readonly #terminated = new Set<unknown>();
  /** Statements between their snapshot and their changes: a crash ends them. */
  #life = 0;
  #sessionNo = 0;

  constructor(world: World, queues: readonly string[]) {
    this.#world = world;
    this.#skips = seededRandom(world.seed, "skipped tokens");
    queues.forEach((name, index) =>
      this.tables.queues.put(index + 1, {
        no: index + 1,
        name,
        is_paused: false,
        fresh_from: "00000000-0000-0000-0000-000000000000",
        put_back_from: null,
        is_at_rabbitmq: false,
        lines: null,
      }),
    );
    this.tables.journal.length = 0;
  }

  /** From now on there is one. */
  addStandby(): void {
    this.#standby = new Standby(this.#world, this.tables, this.#sequences);
  }

  get standby(): Standby | undefined {
    return this.#standby;
  }

  get clockMs(): number {
    return Math.floor(epochMs + this.#world.time.now); // a time that its columns keep to the letter
  }

  open(wire: Wire): Session {
    this.#sessionNo += 1;
    const session: Session = {
      wire,
      no: this.#sessionNo,
      settings: new Map(),
      transaction: { kind: "none" },
      isOver: false,
      wasInside: false,
    };
    this.sessions.add(session);
    return session;
  }

  /** The client or the network has closed it: what it had not committed is undone. */
  end(session: Session): void {
    if (session.isOver) return;
    session.isOver = true;
    session.wasInside = session.transaction.kind !== "none";
    this.sessions.delete(session);
    this.#world.record?.({ kind: "ended", session: session.no });
    this.#rollback(session);
  }

  run(session: Session, query: Query): void {
    if (session.wasInside || !this.isUp) return;
    if (query.name === undefined) return this.#script(session, query);
    const model = models[query.name];
    if (model === undefined) {
      this.#world.checks.broke(`the simulated ledger does not know the statement "${query.name}"`);
      return query.reply({ kind: "refused", error: new Refusal("42601", "unknown to the simulation") });
    }
    if (query.name === "end-session" && this.#standby?.isWaitedForBy(query.values[0]) !== true)
      this.#terminated.add(query.values[0]);
    if (query.takesMs === 0) return this.#begin(session, query, model);
    const life = this.#life;
    // It changes the tallies of its member before anything else, and whoever asks for those rows waits for it.
    const isStoring = query.name === "store" || query.name === "store-with-extras";
    if (isStoring) this.#storing.add(query.values[12]);
    this.#world.time.after(query.takesMs, () => {
      if (life === this.#life && !this.#terminated.has(session.no)) this.#begin(session, query, model);
      if (!isStoring) return;
      this.#storing.delete(query.values[12]);
      this.#goOn();
    });
  }

  /** Takes the server down, and up again: a crash loses unlogged rows and what of sequences was not flushed. */
  restart(isCrash: boolean, downMs: number): void {
    this.#goDown(downMs);
    if (!isCrash) return;
    this.crashes += 1;
    this.#world.record?.({ kind: "crashed" });
    this.tables.forgetClaims();
    this.tables.journal.length = 0;
    this.#sequences.tokens.crash();
  }

  /** The primary is gone: the standby is promoted, without what it never had, and another one follows it. */
  failOver(downMs: number): void {
    const standby = this.#standby;
    if (standby === undefined) return;
    this.#goDown(downMs);
    this.crashes += 1;
    const lost = standby.promote();
    this.tables = standby.tables;
    this.#world.checks.takenBack(lost);
    this.addStandby();
  }

  #goDown(forMs: number): void {
    this.isUp = false;
    this.#life += 1;
    this.#standby?.terminateWaits();
    for (const session of this.sessions) {
      session.wire.closeByServer("Connection terminated unexpectedly");
      this.end(session);
    }
    this.#world.time.after(forMs, () => (this.isUp = true));
  }

  #begin(session: Session, query: Query, model: Model): void {
    const life = this.#life;
    const isHeld = model.isWrite && this.#writer !== undefined && this.#writer !== session;
    const isGap = model.isRacy === true && this.#world.faults.isGap();
    const seen =
      model.isRacy === true && this.#world.record === undefined && (isHeld || isGap)
        ? this.#tablesOf(session).clone()
        : undefined;
    const proceed = (): void => {
      if (life !== this.#life || session.wasInside) return;
      const isBehind = query.name === "confirm" && this.#storing.has(query.values[0]);
      const isLocked = model.isWrite && this.#writer !== undefined && this.#writer !== session;
      if (isBehind || isLocked) this.#waiting.push(proceed);
      else this.#finish(session, query, { model, seen });
    };
    if (isGap) this.#world.time.after(this.#world.random.next() * gapMsMax, proceed);
    else proceed();
  }

  #finish(session: Session, query: Query, { model, seen }: { model: Model; seen: Tables | undefined }): void {
    const { transaction } = session;
    if (model.isWrite && transaction.kind === "open" && transaction.fork === undefined) {
      transaction.fork = this.tables.clone();
      this.#writer = session;
    }
    const db = this.#tablesOf(session);
    const record = this.#recording(session, query);
    const changedBefore = db.journal.length;
    let rows: Row[];
    try {
      rows = model.run({
        seen: seen ?? db,
        db,
        values: query.values,
        session,
        clockMs: this.clockMs,
        ...this.#sequences,
        isConnected: (no) => [...this.sessions].some((one) => one.no === no),
        isWaiting: (no) => this.#standby?.isWaitedForBy(no) === true,
        restsOn: this.#standby === undefined ? restsOn : `${restsOn}standby`,
      });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      record?.({ refused: error.code });
      return this.#answer(session, query, { kind: "refused", error });
    }
    record?.(rows);
    this.#world.checks.asked(query, session.wire.process, db.journal.length > changedBefore);
    const answer = (warning?: string): void => this.#answer(session, query, { kind: "rows", rows, warning });
    if (transaction.kind === "none") this.#commit(session, answer, model);
    else answer();
  }

  #recording({ no: session }: Session, { name, text, values }: Query): ((answer: Asked["answer"]) => void) | undefined {
    const { record } = this.#world;
    if (record === undefined || name === undefined) return undefined;
    const { clockMs } = this;
    const { tokens, outboxNos, lineNos, eventNos } = this.#sequences;
    const drawn = { tokens: tokens.value, outbox: outboxNos.value, lines: lineNos.value, events: eventNos.value };
    return (answer) => record({ kind: "statement", session, name, text, values, answer, clockMs, drawn });
  }

  #answer(session: Session, query: Query, answer: Answer): void {
    this.#world.note(session.wire.process, () => `${query.name ?? query.text.slice(0, 40)} ${told(query, answer)}`);
    query.reply(answer);
  }

  #tablesOf({ transaction }: Session): Tables {
    if (transaction.kind === "snapshot") return transaction.seen;
    return transaction.kind === "open" ? (transaction.fork ?? this.tables) : this.tables;
  }

  #script(session: Session, query: Query): void {
    const { text } = query;
    const answer = (warning?: string): void => this.#answer(session, query, { kind: "rows", rows: [], warning });
    const isBegin = text === "BEGIN" || (/^BEGIN; (SET LOCAL|SAVEPOINT) /.test(text) && !text.endsWith("COMMIT"));
    if (isBegin || /^(RELEASE .*|BEGIN ISOLATION .*|COMMIT|ROLLBACK)$/.test(text))
      this.#world.record?.({ kind: "script", session: session.no, text });
    if (text.startsWith("SELECT pg_backend_pid()"))
      return this.#answer(session, query, { kind: "rows", rows: [{ ...primary, pid: session.no }] });
    if (/^(RESET ALL|SET )/.test(text))
      for (const [, name, value] of text.matchAll(/(?:^|; )SET (?:LOCAL )?(\w+) = ([^;]+)/g))
        session.settings.set(name as string, value as string);
    else if (isBegin)
      session.transaction = {
        kind: "open",
        fork: undefined,
        isLocal: text.includes("SET LOCAL synchronous_commit = local"),
      };
    else if (text === "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
      session.transaction = { kind: "snapshot", seen: this.tables.clone() };
    else if (text === "COMMIT") return this.#commitTransaction(session, answer);
    else if (text === "ROLLBACK") this.#rollback(session);
    else if (text.includes("setval('sluice.tokens', nextval('sluice.tokens') + 1048576 + ")) {
      const { tokens } = this.#sequences;
      tokens.setTo(tokens.next() + 1_048_576 + this.#skips.between(0, 1_048_576));
      tokens.flush();
      if (this.#standby !== undefined) return this.#standby.send([], { session, over: answer });
    } else if (text.startsWith("RELEASE SAVEPOINT ")) {
      // No handler of these histories sets anything or ends its transaction.
    } else if (text.startsWith("INSERT INTO effects ")) this.#effect(session, Number(text.split(" ").at(-1)));
    else if (!text.startsWith("VACUUM ")) {
      this.#world.checks.broke(`the simulated ledger does not know the script "${text}"`);
      return query.reply({ kind: "refused", error: new Refusal("42601", "unknown to the simulation") });
    }
    answer();
  }

  /** A handler's own statement. */
  #effect({ transaction }: Session, tag: number): void {
    if (transaction.kind === "open") (transaction.effects ??= []).push(tag);
  }

  #commitTransaction(session: Session, answer: (warning?: string) => void): void {
    const { transaction } = session;
    session.transaction = { kind: "none" };
    if (transaction.kind !== "open") return answer();
    const { fork, isLocal, effects = [] } = transaction;
    if (fork !== undefined) this.tables = fork;
    for (const tag of effects) this.tables.effects.put(this.tables.effects.rows.size, tag);
    this.#commit(session, answer, { isLocal });
    this.#release(session);
  }

  #rollback(session: Session): void {
    session.transaction = { kind: "none" };
    this.#release(session);
  }

  #release(session: Session): void {
    if (this.#writer !== session) return;
    this.#writer = undefined;
    this.#goOn();
  }

  #goOn(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const proceed of waiting) proceed();
  }

  /** Answers once the commit counts. */
  #commit(
    session: Session,
    answer: (warning?: string) => void,
    { isQuick = false, isLocal = false }: Waiting = {},
  ): void {
    const changed = this.tables.journal.splice(0);
    const isFlushed = !isQuick && session.settings.get("synchronous_commit") !== "off";
    const waits = isFlushed && !isLocal;
    if (isFlushed && changed.length > 0) this.#sequences.tokens.flush();
    if (changed.length > 0) this.#world.checks.committed(changed);
    const isSent = this.#standby !== undefined && changed.some(({ table }) => table !== "running");
    if (isSent) this.#standby?.send(changed, waits ? { session, over: answer } : undefined);
    if (!isSent || !waits) answer();
  }
}

function told(query: Query, answer: Answer): string {
  if (answer.kind === "refused") return `refused: ${answer.error.message}`;
  const values = JSON.stringify(query.values, (_, value: unknown) =>
    typeof value === "object" && value !== null && "type" in value && value.type === "Buffer" ? "…" : value,
  );
  const rows = answer.rows.length === 0 ? "" : ` → ${answer.rows.map((row) => brief(row)).join(" | ")}`;
  return `${values.slice(0, 400)}${rows}`;
}

function brief(row: Row): string {
  return Object.entries(row)
    .filter(([, value]) => value !== null && !Buffer.isBuffer(value))
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(" ");
}
