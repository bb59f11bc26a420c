// The tokens of a queue's rate in Redis.
import { createHash } from "node:crypto";
import type { StartsAsk, StartsGrant } from "../../../engine/engine.ts";
import type { Cache } from "./cache.ts";
import type { CacheClient } from "./redis-primary.ts";
import { burstOf, hourMs, microsPerToken, rounding, type Tokens } from "./shared-rate.ts";

/** A rate that nobody asked for in this time is forgotten. */
const keptMs = 86_400_000;
const triedMs = 1_000;

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

export class RedisTokens implements Tokens {
  readonly #cache: Cache;

  constructor(cache: Cache) {
    this.#cache = cache;
  }

  take(ask: StartsAsk): Promise<StartsGrant | undefined> {
    return this.#cache.call((client) => takeOf(client, `${this.#cache.prefix}:rate:${ask.queue}`, ask));
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
  const perToken = microsPerToken(ratePerHour);
  const values = [perToken, burstOf(ratePerHour, burst), wanted, Math.ceil(idleMs + perToken / 1_000)];
  const options = { keys: [key], arguments: values.map(String) };
  const reply = await client.evalSha(scriptSha, options).catch((error: unknown) => {
    if (error instanceof Error && error.message.startsWith("NOSCRIPT")) return client.eval(script, options);
    throw error;
  });
  const [granted, retryMicros] = reply as [number, number];
  return { granted, retryMs: granted < wanted ? retryMicros / 1_000 : 0 };
}
