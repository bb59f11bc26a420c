// Submits a request at each tick of the schedules. Any number of processes do so for the same store: a tick's key makes it one request.
// It owns nothing that must last. Which ticks were submitted is in the store, by their keys; since when a schedule exists is in the
// activity log. So it may die between any two of its steps, and the next one goes on where the ticks end.
import { setTimeout as sleep } from "node:timers/promises";
import type { KeptActivity } from "../core/activity.ts";
import { messageOf, SluiceError } from "../core/errors.ts";
import {
  chooseTicks,
  definitionOf,
  dueTicks,
  missedMax,
  tickKeyOf,
  tickRequestOf,
  type Schedule,
  type ScheduleStatus,
  type SubmittedTick,
  type Ticks,
} from "../core/schedule.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../telemetry/log.ts";

/** What it needs of an engine. */
type SchedulesEngine = Pick<Engine, "accept" | "clock" | "health" | "list" | "listActivity" | "noteActivity">;

/** One whose body and ticks were checked. */
export interface PreparedSchedule extends Schedule {
  readonly ticks: Ticks;
}

export interface SchedulesOptions {
  readonly engine: SchedulesEngine;
  readonly schedules: readonly PreparedSchedule[];
  /** Requests that were finished longer ago may be gone with their keys: whether such a tick was submitted cannot be said. */
  readonly retentionMs: number;
  readonly log: Logger;
  /** The first wait after a refusal, doubled with each further one; 1,000 unless set. */
  readonly backoffMs?: number;
  /** No timer runs for longer, so that a clock that is set is noticed; 10,000 unless set. */
  readonly lookMs?: number;
}

const backoffMsMax = 30_000;
const activityPage = 1_000;

export class Schedules implements AsyncDisposable {
  readonly #options: SchedulesOptions;
  readonly #closing = new AbortController();
  readonly #last = new Map<string, SubmittedTick>();
  #running: Promise<unknown> | undefined;

  constructor(options: SchedulesOptions) {
    this.#options = options;
  }

  /** Starts to submit. */
  begin(): void {
    this.#running ??= this.#begin();
  }

  status(): readonly ScheduleStatus[] {
    const { schedules, engine } = this.#options;
    const now = engine.clock.now();
    return schedules.map(({ name, queue, beat, missed, ticks }) => {
      return { name, queue, beat, missed, nextAt: ticks.next(now), last: this.#last.get(name) };
    });
  }

  /** Waits for a submission under way. Twice is safe. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #begin(): Promise<void> {
    const { engine, schedules } = this.#options;
    const startedAt = Math.floor(engine.clock.now());
    const known = await this.#retried("the schedules wait for the store", () => this.#noteNew(startedAt));
    if (known !== undefined)
      await Promise.all(
        schedules.map((schedule) => this.#run(schedule, { startedAt, since: known.get(schedule.name) })),
      );
  }

  /** Since when each schedule exists. Those that are new are noted, with this start. */
  async #noteNew(startedAt: number): Promise<ReadonlyMap<string, number>> {
    const { engine, schedules } = this.#options;
    const noted = await this.#notedByName();
    const isNoted = (schedule: Schedule): boolean => noted.get(schedule.name)?.about === definitionOf(schedule);
    const fresh = schedules.filter((schedule) => !isNoted(schedule));
    const nobody = { requests: undefined, key: undefined, sender: undefined, address: undefined };
    if (fresh.length > 0)
      await engine.noteActivity(
        fresh.map((schedule) => ({ at: startedAt, what: "schedule-added", about: definitionOf(schedule), ...nobody })),
      );
    return new Map(
      schedules.map((schedule) => [
        schedule.name,
        isNoted(schedule) ? (noted.get(schedule.name) as KeptActivity).at : startedAt,
      ]),
    );
  }

  /** What was noted last of each schedule. */
  async #notedByName(): Promise<ReadonlyMap<string, KeptActivity>> {
    const { engine, schedules } = this.#options;
    const noted = new Map<string, KeptActivity>();
    let before: number | undefined;
    do {
      const page = await engine.listActivity({ limit: activityPage, before });
      for (const entry of page) {
        const name = entry.about.split(" ", 1)[0] as string;
        if (entry.what === "schedule-added" && !noted.has(name)) noted.set(name, entry);
      }
      before = page.length < activityPage ? undefined : page.at(-1)?.no;
    } while (before !== undefined && !schedules.every(({ name }) => noted.has(name)));
    return noted;
  }

  async #run(schedule: PreparedSchedule, begun: { startedAt: number; since: number | undefined }): Promise<void> {
    const { engine, log } = this.#options;
    const { ticks, missed, name } = schedule;
    let { startedAt } = begun;
    const found = await this.#retried(`schedule ${name} waits for the store`, () =>
      this.#submittedUntil(schedule, begun.since ?? startedAt),
    );
    let doneUntil = found ?? startedAt;
    while (!this.#closing.signal.aborted) {
      const now = Math.floor(engine.clock.now());
      // A clock that was ahead was set right. Ticks that come once more are the same requests.
      [doneUntil, startedAt] = [Math.min(doneUntil, now), Math.min(startedAt, now)];
      const due = dueTicks(ticks, { doneUntil, now, missed });
      const chosen = chooseTicks(due, { now, startedAt, missed });
      if (chosen.length < due.length)
        log.warn(
          { schedule: name, missed, submitted: chosen.length, latest: timeText(due.at(-1)) },
          "ticks were missed",
        );
      for (const at of chosen) await this.#submit(schedule, at);
      doneUntil = due.at(-1) ?? doneUntil;
      if (due.length === 0) await this.#pause((ticks.next(now) ?? Number.POSITIVE_INFINITY) - now);
    }
  }

  /** Up to which tick they are done with: the newest that has its request, of those whose requests are still kept. */
  async #submittedUntil({ name, queue, ticks }: PreparedSchedule, since: number): Promise<number> {
    const { engine, retentionMs } = this.#options;
    const now = Math.floor(engine.clock.now());
    const oldest = Math.max(since, now - retentionMs);
    let at = ticks.previous(now + 1);
    for (let looked = 0; at !== undefined && at > oldest && looked < missedMax; looked += 1) {
      const requests = await engine.list({ queue, key: tickKeyOf(name, at), limit: 100 });
      const own = requests.find(({ sender }) => sender === undefined);
      if (own !== undefined) {
        this.#last.set(name, { at, id: own.id });
        return at;
      }
      at = ticks.previous(at);
    }
    return Math.max(at ?? oldest, oldest);
  }

  /** Until it is stored: a tick whose turn has come is not lost because its first try failed. */
  async #submit(schedule: PreparedSchedule, at: number): Promise<void> {
    const { name } = schedule;
    await this.#retried(`schedule ${name} cannot submit its tick now`, async () => {
      const { engine, log } = this.#options;
      const [problem] = engine.health().problems;
      if (problem !== undefined) throw new SluiceError("store-unavailable", problem.message);
      const answer = await engine.accept([tickRequestOf(schedule, at)]);
      switch (answer.kind) {
        case "accepted": {
          const [receipt] = answer.receipts;
          if (receipt !== undefined) this.#last.set(name, { at, id: receipt.id });
          return;
        }
        case "key-reused":
          log.warn({ schedule: name, tick: timeText(at) }, "this tick was submitted before, with another body");
          return;
        case "backlog-full":
        case "group-full":
          throw new SluiceError("backlog-full", `the backlog of queue "${schedule.queue}" is at its bound`);
        default:
          answer satisfies never;
      }
    });
  }

  /** Tries again after what may pass, until it is closed: undefined then, and after what would fail again. */
  async #retried<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    const { log, backoffMs = 1_000 } = this.#options;
    for (let waitMs = backoffMs; !this.#closing.signal.aborted; waitMs = Math.min(2 * waitMs, backoffMsMax)) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof SluiceError)) throw error;
        if (error.consequence === "caller") {
          log.error({ err: error }, what); // the same again fails again
          return undefined;
        }
        log.warn({ err: messageOf(error) }, what);
        await this.#pause(waitMs);
      }
    }
    return undefined;
  }

  async #pause(ms: number): Promise<void> {
    const { lookMs = 10_000 } = this.#options;
    const { signal } = this.#closing;
    await sleep(Math.min(Math.max(ms, 1), lookMs), undefined, { signal }).catch(() => {}); // aborted: at once
  }
}

function timeText(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}
