// Keeps the starts of a queue's attempts to its rate in all processes together. Redis has the tokens; while it is out,
// each process keeps to its share.
import { createHash } from "node:crypto";
import type { Clock } from "../../../core/clock.ts";
import type { StartsAsk, StartsGrant } from "../../../engine/engine.ts";
import type { Cache } from "./cache.ts";
import type { CacheClient } from "./redis-primary.ts";

export interface SharedRateOptions {
  readonly cache: Cache;
  readonly prefix: string;
  /** Workers of a queue, in all processes. */
  readonly workersOf: (queue: string) => number;
  readonly clock: Clock;
}

const hourMs = 3_600_000;
const burstMs = 250;
/** How often a process without Redis asks again, at least: Redis may be back. */
const retryMsMax = 1_000;
/** A rate that nobody asked for in this time is forgotten. */
const keptMs = 86_400_000;
const triedMs = 1_000;
/** A token that a rounding keeps from being whole is one. */
const rounding = 1e-6;

/**
 * A bucket of tokens that fills with time, kept as the moment at which it was empty: GCRA. Without a key there is one
 * token, so that a flush is no reason for a burst; a key of another kind counts as none. Redis' clock decides, in microseconds since 2026, as a number of Lua
 * would lose some of them otherwise; stepping back it costs what was saved up.
 */
const script = `
  local time = redis.call('TIME')
  local now = (time[1] - 1767225600) * 1000000 + time[2]
  local perToken = tonumber(ARGV[1])
  local kept = redis.pcall('GET', KEYS[1])
  local emptyAt = type(kept) == 'string' and tonumber(kept) or now - perToken
  emptyAt = math.min(now, math.max(emptyAt, now - perToken * ARGV[2]))
  local granted = math.min(tonumber(ARGV[3]), math.floor((now - emptyAt) / perToken + ${rounding}))
  emptyAt = emptyAt + granted * perToken
  redis.call('SET', KEYS[1], string.format('%.17g', emptyAt), 'PX', ARGV[4])
  return { granted, math.max(0, math.ceil(emptyAt + perToken - now)) }
`;
const scriptSha = createHash("sha1").update(script).digest("hex");

export class SharedRate {
  readonly #options: SharedRateOptions;
  readonly #shares = new Map<string, Share>();

  constructor(options: SharedRateOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async take(ask: StartsAsk): Promise<StartsGrant> {
    const { cache, prefix, workersOf, clock } = this.#options;
    let share = this.#shares.get(ask.queue);
    if (share === undefined) this.#shares.set(ask.queue, (share = new Share(clock)));
    const grant = await cache.call((client) => takeOf(client, `${prefix}:rate:${ask.queue}`, ask));
    if (grant === undefined) return share.take(ask, Math.max(1, workersOf(ask.queue)));
    share.empty(); // so that an outage adds nothing to what Redis has granted
    return grant;
  }
}

/** Takes nothing: does only what a take does, and leaves a key that is gone at once. Rejects as a take would. */
export async function tryTake(client: CacheClient, prefix: string): Promise<void> {
  const ask = { queue: "", ratePerHour: hourMs, burst: undefined, wanted: 0 };
  await takeOf(client, `${prefix}:rate:`, ask, triedMs);
}

async function takeOf(
  client: CacheClient,
  key: string,
  { ratePerHour, burst, wanted }: StartsAsk,
  idleMs = keptMs,
): Promise<StartsGrant> {
  const microsPerToken = (hourMs * 1_000) / ratePerHour;
  const values = [microsPerToken, burstOf(ratePerHour, burst), wanted, Math.ceil(idleMs + microsPerToken / 1_000)];
  const options = { keys: [key], arguments: values.map(String) };
  const reply = await client.evalSha(scriptSha, options).catch((error: unknown) => {
    if (error instanceof Error && error.message.startsWith("NOSCRIPT")) return client.eval(script, options);
    throw error;
  });
  const [granted, retryMicros] = reply as [number, number];
  return { granted, retryMs: granted < wanted ? retryMicros / 1_000 : 0 };
}

/** What one process may start while Redis is out. */
class Share {
  readonly #clock: Clock;
  /** When there was no token left; undefined before the first. */
  #emptyAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  empty(): void {
    this.#emptyAt = this.#clock.monotonic();
  }

  take({ ratePerHour, burst, wanted }: StartsAsk, workers: number): StartsGrant {
    const now = this.#clock.monotonic();
    const perHour = ratePerHour / workers;
    const msPerToken = hourMs / perHour;
    const most = burstOf(perHour, burst === undefined ? undefined : burst / workers);
    const tokens = Math.min(most, (now - (this.#emptyAt ?? now - msPerToken)) / msPerToken);
    const granted = Math.min(wanted, Math.floor(tokens + rounding));
    const left = Math.max(0, tokens - granted);
    this.#emptyAt = now - left * msPerToken;
    return { granted, retryMs: granted < wanted ? Math.min(retryMsMax, (1 - left) * msPerToken) : 0 };
  }
}

/** Tokens that may be saved up: a quarter of a second's worth unless set, so that any minute stays near the rate. */
function burstOf(ratePerHour: number, burst: number | undefined): number {
  return Math.max(1, burst ?? (ratePerHour / hourMs) * burstMs);
}
