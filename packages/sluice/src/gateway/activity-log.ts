// The activity log of a gateway: who did what to queues, requests and API keys, as lines of its own and as rows in the store,
// and whose calls were refused, as lines alone: anybody can have a call refused, and fill a store with that.
import type { FastifyRequest } from "fastify";
import type { Activity, ActivityKind } from "../core/activity.ts";
import type { ApiKey } from "../core/api-key.ts";
import type { Clock } from "../core/clock.ts";
import type { SluiceError } from "../core/errors.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../telemetry/log.ts";
import { pathOf } from "./problem.ts";

/** Lines about refused calls within a minute: what is beyond is counted. */
const refusedMax = 100;
const refusedWithinMs = 60_000;
const pathLengthMax = 200;

export interface ActivityLogOptions {
  readonly engine: Pick<Engine, "noteActivity">;
  readonly clock: Clock;
  /** For its lines alone. */
  readonly lines: Logger;
  readonly log: Logger;
}

export interface Done {
  readonly what: ActivityKind;
  readonly about: string;
  readonly requests?: number;
}

export class ActivityLog {
  readonly #options: ActivityLogOptions;
  #known: ReadonlySet<string> | undefined;
  readonly #refusals: Readonly<Record<"keyed" | "anonymous", Refusals>>;

  constructor(options: ActivityLogOptions) {
    this.#options = options;
    // Anybody can be refused without a key: that must not hide what the owners of keys try.
    this.#refusals = { keyed: new Refusals(options.lines), anonymous: new Refusals(options.lines) };
  }

  /** After it was done. Never rejects: what was done is done, whether its row can be kept or not. */
  async note(request: FastifyRequest, { what, about, requests }: Done): Promise<void> {
    const entry = { at: this.#options.clock.now(), what, about, requests, ...callerOf(request) };
    this.#options.lines.info(lineOf(entry), what);
    await this.#keep([entry]);
  }

  /** A call that its key, its rate, or the page it came from does not allow. */
  refused(request: FastifyRequest, { code, message, cause }: SluiceError): void {
    this.#refusals[request.grant === undefined ? "anonymous" : "keyed"].tell(() => {
      const call = { method: request.method, path: pathOf({ url: request.originalUrl }).slice(0, pathLengthMax) };
      return {
        code,
        ...call,
        ...callerOf(request),
        why: cause instanceof Error ? `${message}: ${cause.message}` : message,
      };
    });
  }

  /** The keys of the file, at the start and after each change of it. */
  async noteKeys(keys: readonly ApiKey[]): Promise<void> {
    const entries = keys.flatMap(entriesOf);
    const known = this.#known;
    this.#known = new Set(entries.map(nameOf));
    if (known !== undefined)
      for (const entry of entries) if (!known.has(nameOf(entry))) this.#options.lines.info(lineOf(entry), entry.what);
    await this.#keep(entries);
  }

  async #keep(entries: readonly Activity[]): Promise<void> {
    if (entries.length === 0) return;
    try {
      await this.#options.engine.noteActivity(entries);
    } catch (error) {
      this.#options.log.error({ err: error }, "the activity log cannot be kept in the store: its lines have it");
    }
  }
}

/** Lines about refused calls: so many in a minute, and at its end how many more there were. */
class Refusals {
  readonly #lines: Logger;
  #count = 0;

  constructor(lines: Logger) {
    this.#lines = lines;
  }

  tell(lineOf: () => object): void {
    if (this.#count === 0) setTimeout(() => this.#begin(), refusedWithinMs).unref();
    this.#count += 1;
    if (this.#count <= refusedMax) this.#lines.warn(lineOf(), "refused");
  }

  #begin(): void {
    const untold = this.#count - refusedMax;
    if (untold > 0) this.#lines.warn({ calls: untold }, "more calls were refused");
    this.#count = 0;
  }
}

function callerOf({ grant, address, socket }: FastifyRequest): Pick<Activity, "key" | "sender" | "address"> {
  return { key: grant?.name, sender: grant?.sender, address: address ?? socket.remoteAddress };
}

function entriesOf({ id, name, sender, createdAt, revokedAt }: ApiKey): readonly Activity[] {
  const of = (what: ActivityKind, at: number): Activity => {
    return { at, what, about: `${name} ${id}`, requests: undefined, key: undefined, sender, address: undefined };
  };
  return [of("key-created", createdAt), ...(revokedAt === undefined ? [] : [of("key-revoked", revokedAt)])];
}

function nameOf({ what, about, at }: Activity): string {
  return `${what} ${about} ${at}`;
}

/** The line has a time and a message of its own. */
function lineOf(entry: Activity): Partial<Activity> {
  const { at: _, what: __, ...fields } = entry;
  return fields;
}
