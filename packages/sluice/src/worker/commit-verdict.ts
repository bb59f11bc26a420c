import { messageOf, SluiceError } from "../core/errors.ts";
import type { Claim } from "../core/request.ts";
import type { Logger } from "../telemetry/log.ts";
import { deadByRefusal, type Verdict } from "./attempt.ts";
import type { WorkerEngine } from "./worker-engine.ts";

export interface CommitVerdictOptions {
  readonly engine: WorkerEngine;
  readonly queue: string;
  readonly log: Logger;
  /** Whether the worker has to stop now. */
  readonly isCutOff: () => boolean;
}

export const commitRetryMinMs = 50;
export const commitRetryMaxMs = 2_000;

/** Commits a verdict, again and again while the store is unavailable: what was done must not be lost. */
export async function commitVerdict(
  claim: Claim,
  decided: Verdict,
  { engine, queue, log, isCutOff }: CommitVerdictOptions,
): Promise<void> {
  let verdict = decided;
  for (let retryMs = commitRetryMinMs; ; retryMs = Math.min(retryMs * 2, commitRetryMaxMs)) {
    try {
      const result =
        verdict.kind === "settle"
          ? await engine.settle(claim, verdict.outcome)
          : await engine.retry(claim, verdict.options);
      if (result === "superseded") log.warn({ queue, id: claim.id }, "a late outcome was refused");
      return;
    } catch (error) {
      const dead = verdict === decided ? deadByRefusal(error) : undefined;
      if (dead === undefined && !isUnavailable(error)) throw error;
      log.warn({ queue, id: claim.id, err: messageOf(error) }, "cannot commit an outcome");
      verdict = dead ?? verdict;
      if (isCutOff()) return; // the next start finds the claim and runs it again
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }
}

export function isUnavailable(error: unknown): boolean {
  return error instanceof SluiceError && error.consequence === "unavailable";
}
