// What shows from outside while a fault lasts, and what can be ordered from there.
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { LedgerLine } from "../ledger.ts";

interface Readiness {
  readonly status: number;
  readonly codes: readonly string[];
}

const lookAgainMs = 100;

/** Resolves, with how many milliseconds it took, once what is looked for is there; undefined when it never is. */
export async function whenTrue(look: () => Promise<boolean> | boolean, msMax: number): Promise<number | undefined> {
  const startedAt = performance.now();
  for (;;) {
    if (await look()) return performance.now() - startedAt;
    if (performance.now() - startedAt > msMax) return undefined;
    await delay(lookAgainMs);
  }
}

/** A sentence about each gateway that did not tell of one of these outages in its /readyz within the time. */
export async function whenShown(
  urls: readonly string[],
  { codes, status, msMax }: { readonly codes: readonly string[]; readonly status: number; readonly msMax: number },
): Promise<string[]> {
  const missed = await Promise.all(
    urls.map(async (url) => {
      let seen: Readiness | undefined;
      const ms = await whenTrue(async () => {
        seen = await readReadiness(url);
        return seen.status === status && seen.codes.some((code) => codes.includes(code));
      }, msMax);
      return ms === undefined
        ? [`/readyz did not show ${codes.join(" or ")} with ${status} within ${msMax} ms, but ${JSON.stringify(seen)}`]
        : [];
    }),
  );
  return missed.flat();
}

/** A sentence about each gateway that was not free of outages within the time. */
export async function whenClear(urls: readonly string[], msMax: number): Promise<string[]> {
  const missed = await Promise.all(
    urls.map(async (url) => {
      let seen: Readiness | undefined;
      const ms = await whenTrue(async () => {
        seen = await readReadiness(url);
        return seen.status === 200 && seen.codes.length === 0;
      }, msMax);
      return ms === undefined ? [`/readyz was not clear within ${msMax} ms: ${JSON.stringify(seen)}`] : [];
    }),
  );
  return missed.flat();
}

/** How many were sent and got their receipt within these lines. */
export function acceptedWithin(lines: readonly LedgerLine[]): number {
  const sent = new Set<string>();
  let accepted = 0;
  for (const line of lines) {
    if (line.kind === "sent") sent.add(line.key);
    if (line.kind === "accepted" && sent.has(line.key)) accepted += 1;
  }
  return accepted;
}

/** Stops the deliveries of the stage's queue, or lets them go on. */
export async function order(url: string, what: "pause" | "resume"): Promise<void> {
  const { status } = await fetch(`${url}/v1/queues/orders/${what}`, { method: "POST" });
  if (status >= 300) throw new Error(`${what} was answered with ${status}`);
}

/** How often one of them has logged this. */
export function countSaid(members: readonly { readonly output: string }[], text: string): number {
  return members.reduce((sum, { output }) => sum + output.split(text).length - 1, 0);
}

/** Memory of a process that is in use, in MiB. Linux only. */
export function residentMiB(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1_024;
}

async function readReadiness(url: string): Promise<Readiness> {
  const response = await fetch(`${url}/readyz`);
  const { problems } = (await response.json()) as { readonly problems: readonly { readonly code: string }[] };
  return { status: response.status, codes: problems.map(({ code }) => code) };
}
