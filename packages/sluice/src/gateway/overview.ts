// What everybody who looks at the overview is told: one sampler for all of them, which runs while somebody looks. It
// owns its timer and the last audit; what it reads and counts is the engine's.
import { SluiceError } from "../core/errors.ts";
import type { Clock } from "../core/clock.ts";
import type { AuditReport } from "../engine/audit.ts";
import type { Viewer } from "./access/viewer.ts";
import type { Admission } from "./admission.ts";
import { auditSeenBy } from "./audit-seen.ts";
import { eventText, type EventFields } from "./event-stream.ts";
import { History } from "./history.ts";
import type { QueueViews } from "./queue-views.ts";
import type { AuditEvent, OverviewEvent, QueueView } from "./schemas.ts";
import { timeText } from "./time-text.ts";

const sampleMs = 1_000;
/** Reading the queues takes a tenth of the time at most. */
const readShare = 1 / 10;
/** A quarter of an hour of curves. */
const history = { everyMs: 1_900, max: 450 };
export interface OverviewOptions {
  readonly views: QueueViews;
  readonly admission: Admission;
  /** Called with each sample. */
  readonly onLook: () => void;
  readonly clock: Clock;
  readonly version: string;
}

export class Overview {
  readonly #options: OverviewOptions;
  readonly #history = new History(history);
  readonly #watches = new Set<Watch>();
  #timer: NodeJS.Timeout | undefined;
  #sampling: Promise<void> | undefined;
  #lastAudit: Told | undefined;
  #lastSample: Told | undefined;

  constructor(options: OverviewOptions) {
    this.#options = options;
  }

  /** What one who comes now is told first. */
  greeting(viewer: Viewer): string {
    const { queues } = this.#history.view();
    const past = eventText({ event: "history", data: { queues: queues.filter(({ queue }) => viewer.sees(queue)) } });
    // A sample of an earlier look is old: the next one is under way.
    const present = this.#watches.size > 0 ? this.#lastSample?.to(viewer) : undefined;
    return past + (this.#lastAudit?.to(viewer) ?? "") + (present ?? "");
  }

  /** Tells of each sample from now on, as the text of an event; dispose to stop. */
  watch(viewer: Viewer, onEvent: (text: string) => void): Disposable {
    const watch = { viewer, onEvent };
    this.#watches.add(watch);
    if (this.#watches.size === 1) this.#sampleAfter(0);
    return {
      [Symbol.dispose]: () => {
        this.#watches.delete(watch);
        if (this.#watches.size === 0) clearTimeout(this.#timer);
      },
    };
  }

  /** Whoever audits tells all viewers. */
  noteAudit(report: AuditReport): void {
    const at = timeText(this.#options.clock.now());
    this.#lastAudit = new Told((viewer) => ({ event: "audit", data: auditEventOf(auditSeenBy(viewer, report), at) }));
    this.#tell(this.#lastAudit);
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#watches.clear();
    await this.#sampling;
  }

  #sampleAfter(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#sampling ??= this.#sample().finally(() => (this.#sampling = undefined));
    }, ms);
  }

  async #sample(): Promise<void> {
    const { views, onLook, clock } = this.#options;
    onLook();
    const startedAt = clock.monotonic();
    try {
      const queues = await views.readAll();
      const now = clock.now();
      this.#history.note(queues, now);
      const overview = this.#overviewOf(queues, now);
      this.#lastSample = new Told((viewer) => ({ event: "overview", data: overviewSeenBy(viewer, overview) }));
      this.#tell(this.#lastSample);
    } catch (error) {
      this.#tell(new Told(() => ({ event: "unreadable", data: reasonOf(error) })));
    }
    const tookMs = clock.monotonic() - startedAt;
    if (this.#watches.size > 0) this.#sampleAfter(Math.max(sampleMs - tookMs, tookMs / readShare));
  }

  #overviewOf(queues: readonly QueueView[], now: number): OverviewEvent {
    const { admission, version } = this.#options;
    const { isReady, problems, carriers = null } = admission.readiness();
    return { at: timeText(now), version, ready: isReady, problems: [...problems], carriers, queues: [...queues] };
  }

  #tell(told: Told): void {
    for (const { viewer, onEvent } of this.#watches) onEvent(told.to(viewer));
  }
}

interface Watch {
  readonly viewer: Viewer;
  readonly onEvent: (text: string) => void;
}

/** One thing to tell: its text is made once for all who see everything. */
class Told {
  readonly #fieldsFor: (viewer: Viewer) => EventFields;
  #whole: string | undefined;

  constructor(fieldsFor: (viewer: Viewer) => EventFields) {
    this.#fieldsFor = fieldsFor;
  }

  to(viewer: Viewer): string {
    if (viewer.queues !== undefined) return eventText(this.#fieldsFor(viewer));
    this.#whole ??= eventText(this.#fieldsFor(viewer));
    return this.#whole;
  }
}

function overviewSeenBy(viewer: Viewer, overview: OverviewEvent): OverviewEvent {
  return { ...overview, queues: overview.queues.filter(({ name }) => viewer.sees(name)) };
}

function auditEventOf({ holds, queues, findings }: AuditReport, at: string): AuditEvent {
  const counts = queues.map(({ queue, accepted, missing }) => ({ queue, accepted, missing }));
  return { at, holds, queues: counts, findings: findings.length };
}

/** What broke inside is for the log, not for the page. */
function reasonOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof SluiceError && error.code !== "internal") return { code: error.code, message: error.message };
  return { code: "internal", message: "the queues could not be read; the server's log has the cause" };
}
