// What must hold at every moment, seen from outside of the product: on each commit of the ledger, each acknowledgement,
// each answer. It keeps books of its own, and never asks the product.
import { readRequestHead } from "../../packages/sluice/src/core/stored-head.ts";
import type { Engine } from "../../packages/sluice/src/engine/engine.ts";
import { saidOfLost } from "../../packages/sluice/src/engines/cluster/leader/lost-hints.ts";
import type { Message } from "./broker.ts";
import type { Query } from "./ledger/session.ts";
import type { Changed, OutcomeRow, RequestRow, RunningRow, ScheduleRow, Tables } from "./ledger/tables.ts";
import { boundedQueue, groupConcurrency } from "./group-bound.ts";
import type { Process } from "./process.ts";
import type { World } from "./world.ts";

interface Claimed {
  readonly token: number;
  /** How often the server had forgotten its claims by then. */
  readonly ledgerCrashes: number;
}

export class Checks {
  readonly violations: string[] = [];
  /** Given back after an attempt that does not count. */
  readonly givenBack = new Set<string>();
  readonly #world: World;
  readonly #starts = new Map<string, number>();
  readonly #tokens = new Set<number>();
  readonly #claimed = new Map<string, Claimed>();
  readonly #voidUpTo = new Map<string, number>();
  readonly #hints = new Map<string, number>();
  readonly #replays = new Map<string, number>();
  readonly #settledBy = new Map<string, Set<number>>();
  /** What a change made void, and what was before. */
  readonly #voidBefore = new Map<Changed, number>();
  /** Processes by the name that they lead under. */
  readonly #holders = new Map<unknown, Process>();

  constructor(world: World) {
    this.#world = world;
  }

  /** A law is broken. */
  broke(what: string): void {
    this.#world.note("violation", () => what);
    this.violations.push(`at ${this.#world.time.now.toFixed(3)} ms: ${what}`);
  }

  threw(error: unknown): void {
    this.broke(`thrown: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }

  /** The handler began; how often it has by now. */
  began(id: string): number {
    const { tables, clockMs, crashes } = this.#world.ledger;
    if (crashes === 0 && tables.outcomes.get(id)?.error_code === "expired") this.broke(`${id} began, and had expired`);
    const { notBefore = 0 } = readRequestHead(tables.requests.get(id)?.headers ?? null).placement ?? {};
    if (clockMs < notBefore - apartMsMax) this.broke(`${id} began ${notBefore - clockMs} ms before its time`);
    const starts = (this.#starts.get(id) ?? 0) + 1;
    this.#starts.set(id, starts);
    return starts;
  }

  startsOf(id: string): number {
    return this.#starts.get(id) ?? 0;
  }

  committed(changed: readonly Changed[]): void {
    for (const change of changed) this.#look(change);
    if (changed.some(({ table }) => table === "tallies" || table === "outcomes" || table === "requests"))
      this.#conservation(this.#world.ledger.tables);
  }

  /** A failover: the standby never had it. */
  takenBack(lost: readonly Changed[]): void {
    for (const change of lost.toReversed()) {
      const { table, before, after } = change;
      const voidBefore = this.#voidBefore.get(change);
      if (voidBefore !== undefined) this.#voidUpTo.set((after as ScheduleRow).id, voidBefore);
      if (table !== "outcomes") continue;
      if (after === undefined) {
        const { id } = before as OutcomeRow;
        this.#replays.set(id, (this.#replays.get(id) ?? 0) - 1);
        continue;
      }
      const { id, token } = after as OutcomeRow;
      if (token !== null && this.#settledBy.get(id)?.has(token) === true)
        this.broke(`${id} was told as settled by ${token}, and a failover has lost it`);
    }
  }

  /** A process that acts as the leader must lead at that moment. */
  asked({ name = "", values }: Query, process: Process, isChange: boolean): void {
    if (name === "beat") this.#holders.set(values[6], process);
    if (!isChange || !acts.has(name)) return;
    const leader = this.#holders.get(this.#world.ledger.tables.leaders.get("cluster")?.holder);
    if (leader !== process) this.broke(`${process.name} acted (${name}), and ${leader?.name ?? "nobody"} leads`);
  }

  published({ content }: Message): void {
    for (const id of idsOf(content)) this.#hints.set(id, (this.#hints.get(id) ?? 0) + 1);
  }

  /**
   * A hint that went out once, and to one process alone, is done when its request has its outcome or a row in the
   * schedule: whoever claimed it by this hint has let go of it (I2).
   */
  acknowledged({ content, isRedelivered }: Message, process: Process): void {
    const { ledger } = this.#world;
    this.#world.note(
      process,
      () =>
        `acknowledged ${idsOf(content)
          .map((id) => id.slice(0, 18))
          .join(" ")}`,
    );
    if (isRedelivered || ledger.crashes > 0) return;
    for (const id of idsOf(content)) {
      if (this.#hints.get(id) !== 1 || ledger.tables.outcomes.has(id) || ledger.tables.schedule.has(id)) continue;
      if (ledger.tables.outbox.values().some(({ ids }) => ids.includes(id))) continue; // another hint of it
      const claim = ledger.tables.running.get(id);
      const { expires_at: endsAt = Infinity } = ledger.tables.expiries.get(id) ?? {};
      if (endsAt <= ledger.clockMs + apartMsMax) continue; // the leader ends it
      const isOfAnother = claim !== undefined && ledger.tables.members.get(claim.member)?.name !== process.name;
      if (isOfAnother) continue; // a claim from before this process was taken for dead: the reaper has it
      this.broke(`${process.name} acknowledged the only hint of ${id}, which has no outcome and is not scheduled`);
    }
  }

  /** An engine whose answers are noted. */
  watching(engine: Engine): Engine {
    const settle: Engine["settle"] = async (claim, outcome) => {
      const result = await engine.settle(claim, outcome);
      if (result === "settled") this.#settled(claim.id, claim.token);
      return result;
    };
    const transact: NonNullable<Engine["transact"]> = async (claim, work) => {
      const result = await engine.transact?.(claim, work);
      if (result === "settled") this.#settled(claim.id, claim.token);
      return result ?? "rolled-back";
    };
    return new Proxy(engine, {
      get(target, name) {
        if (name === "settle") return settle;
        if (name === "transact") return transact;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  }

  /** The look for lost hints is the last resort: where nothing was lost or held up it must find nothing. */
  logged(message: string, process: Process): void {
    if (message !== saidOfLost.hints) return;
    const { broker, ledger, faults } = this.#world;
    this.#world.faults.count("put back as lost hints");
    const isExcused = broker.losses > 0 || ledger.crashes > 0 || holdingUp.some((kind) => faults.counts.has(kind));
    if (!isExcused) this.broke(`${process.name} had to put back hints, and nothing that was confirmed was lost`);
  }

  #look(change: Changed): void {
    const { table, before, after } = change;
    if (table === "outcomes") this.#outcome(before as OutcomeRow | undefined, after as OutcomeRow | undefined);
    else if (table === "running" && after !== undefined) this.#claim(after as RunningRow);
    else if (table === "schedule" && after !== undefined) {
      const { id, token, attempts, crashes } = after as ScheduleRow;
      if (token > 0 && attempts + crashes === 0) this.givenBack.add(id);
      if (this.#world.ledger.standby !== undefined) this.#voidBefore.set(change, this.#voidUpTo.get(id) ?? 0);
      this.#voidUpTo.set(id, Math.max(token, this.#voidUpTo.get(id) ?? 0));
    } else if (table === "requests" && after === undefined) this.broke(`${(before as RequestRow).id} is gone`);
  }

  #outcome(before: OutcomeRow | undefined, after: OutcomeRow | undefined): void {
    if (before !== undefined && after !== undefined) this.broke(`the outcome of ${after.id} was changed`);
    if (before !== undefined && after === undefined) {
      if (before.state !== "dead") this.broke(`the outcome of ${before.id} is gone, and it was ${before.state}`);
      this.#replays.set(before.id, (this.#replays.get(before.id) ?? 0) + 1);
    }
    if (after === undefined) return;
    const { id, token, attempts, state } = after;
    if (attempts > this.startsOf(id))
      this.broke(`${id} has ${attempts} attempts, and began ${this.startsOf(id)} times`);
    if (token !== null) this.#fence(id, token);
    else if (state === "done") this.broke(`${id} is done by nobody`);
  }

  /** Only the last claim may settle, and only until it is void; a crash of the server makes an exception of older ones. */
  #fence(id: string, token: number): void {
    const claimed = this.#claimed.get(id);
    const isVoid = (this.#voidUpTo.get(id) ?? 0) >= token;
    if (isVoid) this.broke(`${id} was settled by the claim ${token}, which was void`);
    if (claimed?.token === token || claimed?.ledgerCrashes !== this.#world.ledger.crashes) return;
    if (this.#world.ledger.crashes === 0)
      this.broke(`${id} was settled by the claim ${token}, and ${claimed.token} had it by then`);
  }

  #claim({ id, token, started_at }: RunningRow): void {
    if (started_at === 0) return; // held for the length of a transaction, to be cancelled or to expire
    if (this.#tokens.has(token)) this.broke(`the token ${token} was given twice, now for ${id}`);
    this.#tokens.add(token);
    this.#turn(id);
    this.#claimed.set(id, { token, ledgerCrashes: this.#world.ledger.crashes });
  }

  /** Nobody is claimed before those that come before it in its order key have ended, nor more of a group than may run at once. */
  #turn(id: string): void {
    const { lined, outcomes, running, queues } = this.#world.ledger.tables;
    const own = lined.get(id);
    if (own === undefined) return;
    const before = lined
      .values()
      .find(
        (row) => row.queue === own.queue && row.order_key === own.order_key && row.no < own.no && !outcomes.has(row.id),
      );
    if (own.order_key !== null && before !== undefined)
      this.broke(`${id} was claimed, and ${before.id} comes before it in the order key ${own.order_key}`);
    if (own.grp === "" || queues.get(own.queue)?.name !== boundedQueue) return;
    const group = lined.values().filter((row) => row.queue === own.queue && row.grp === own.grp);
    const count = group.filter((row) => (running.get(row.id)?.started_at ?? 0) > 0 && !outcomes.has(row.id)).length;
    if (count > groupConcurrency) this.broke(`${count} of the group ${own.grp} run at once`);
  }

  #settled(id: string, token: number): void {
    const told = this.#settledBy.get(id) ?? new Set();
    this.#settledBy.set(id, told.add(token));
    if (told.size > 1 + (this.#replays.get(id) ?? 0)) this.broke(`${id} was settled by ${[...told].join(" and ")}`);
  }

  #conservation({ queues, tallies, requests, outcomes }: Tables): void {
    for (const { no, name } of queues.values()) {
      const sums = { accepted: 0, done: 0, dead: 0, cancelled: 0, bytes: 0 };
      for (const row of tallies.rows.values()) {
        if (row.queue !== no) continue;
        sums.accepted += row.accepted;
        sums.done += row.done;
        sums.dead += row.dead;
        sums.cancelled += row.cancelled;
        sums.bytes += row.backlog_bytes;
      }
      const counted = { accepted: 0, done: 0, dead: 0, cancelled: 0, bytes: 0 };
      for (const row of requests.rows.values()) {
        if (row.queue !== no) continue;
        counted.accepted += 1;
        const state = outcomes.get(row.id)?.state;
        if (state === undefined) counted.bytes += row.bytes;
        else if (state === "done" || state === "dead" || state === "cancelled") counted[state] += 1;
      }
      if (JSON.stringify(sums) !== JSON.stringify(counted))
        this.broke(`${name} counts ${JSON.stringify(sums)}, and has ${JSON.stringify(counted)}`);
    }
  }
}

/** The processes' readings of the store's clock are this close. */
const apartMsMax = 100;
/** Where a hint may well stand still for long. */
const holdingUp = [
  "freeze",
  "vanish",
  "silence",
  "slow",
  "confirm-never",
  "standby-away",
  "waits-cancelled",
  "waits-terminated",
];
/** What only the leader does. */
const acts = new Set([
  "hint-due",
  "bound-waits",
  "hold-expired",
  "expire",
  "feeder-left",
  "feeder-hold",
  "feeder-add",
  "feeder-back",
  "feeder-admit",
  "feeder-promote",
  "feeder-due",
  "feeder-hand-out",
  "feeder-hint",
  "reap",
  "fold-tallies",
  "clear-relayed",
  "cut-relayed",
  "was-crash",
  "put-back-from",
  "fresh-from",
  "unhint",
]);

function idsOf(content: Buffer): readonly string[] {
  return content.toString("latin1").split("\n");
}
