import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

interface Done {
  readonly ok: true;
  readonly n: unknown;
}

/** Of a request that stands for a caller's: how long it occupies its place, and whether its wait is noted. */
export interface Visit {
  /** In milliseconds since 1970. */
  readonly sentAt: number;
  readonly takesMs: number;
  readonly isNoted: boolean;
}

/** The work that every peer's handler does: read the JSON body, return a little JSON. A visit takes its time. */
export function work(order: unknown): Done | Promise<Done> {
  const { n, visit } = order as { readonly n: unknown; readonly visit?: Visit };
  return visit === undefined ? { ok: true, n } : received(n, visit);
}

async function received(n: unknown, { sentAt, takesMs, isNoted }: Visit): Promise<Done> {
  if (isNoted) appendFileSync(process.env["BENCH_WAITS"] ?? "", `${now() - sentAt}\n`);
  await sleep(takesMs);
  return { ok: true, n };
}

/** The same for all processes of the machine, finer than a millisecond. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
