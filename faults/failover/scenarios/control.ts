// The negative control: an asynchronous standby that fell behind is promoted. Receipts were given for what it lacks, so
// this must lose, or the other scenarios prove nothing; and `sluice audit` must name what is missing.
import { setTimeout as delay } from "node:timers/promises";
import { SluiceClient } from "@sluice/client";
import { sluiceCommand, startChild } from "@sluice/testing";
import type { ClusterStage } from "../../cluster/cluster-stage.ts";
import { promote, underFailover, type FailoverScenario, type Field } from "../failover.ts";

const heldBackMs = 1_500;

export const control: FailoverScenario = {
  name: "asynchronous",
  fault: "negative control: an asynchronous standby that is held back is promoted after the primary was killed",
  isLossMeant: true,
  play: (options) =>
    underFailover(options, { name: "asynchronous", isSynchronous: false, isLossMeant: true }, loseAgainAndAgain),
};

async function loseAgainAndAgain(field: Field): Promise<void> {
  const { pair, stage, sender, load, random, rounds, wrong } = field;
  for (let round = 0; round < rounds; round += 1) {
    await sender.acceptedMore(random.between(10, 100));
    await pair.holdBack();
    await delay(heldBackMs);
    await pair.kill(pair.primary);
    await promote(field);
    await pair.rejoin();
  }
  await load.stop();
  const lost = await lostOf(stage);
  const { named, unproven } = await auditOf(stage, lost);
  field.audit = `names ${Math.min(named, lost.length)} of ${lost.length}`;
  if (named < lost.length) wrong.push(`the audit names ${named} of ${lost.length} that are missing`);
  if (unproven > 0) wrong.push(`the audit says of ${unproven} receipts for what is missing that they are in order`);
}

/** Ids with a receipt that no gateway knows any more. */
async function lostOf({ ledger, urls: [url] }: ClusterStage): Promise<readonly string[]> {
  const lost: string[] = [];
  for (const line of ledger.lines) {
    if (line.kind !== "accepted") continue;
    const { status } = await fetch(`${url}/v1/requests/${line.id}`);
    if (status === 404) lost.push(line.id);
  }
  return lost;
}

interface Audit {
  readonly findings: readonly { readonly kind: string; readonly gap?: { readonly requests: number } | null }[];
}

/** How many are missing as `sluice audit` tells it, and of how many lost ones it finds nothing wrong. */
async function auditOf(
  { urls: [url] }: ClusterStage,
  lost: readonly string[],
): Promise<{ readonly named: number; readonly unproven: number }> {
  await using child = await startChild({
    command: process.execPath,
    args: [sluiceCommand, "audit", "--url", url, "--json"],
  });
  await child.exited;
  const { findings } = JSON.parse(child.output()) as Audit;
  const named = findings.reduce((sum, { kind, gap }) => sum + (gap?.requests ?? (kind === "missing" ? 1 : 0)), 0);
  const client = new SluiceClient({ url });
  let unproven = 0;
  for (const id of lost) {
    const { verdict } = await client.prove(id);
    if (!["gap", "missing"].includes(verdict)) unproven += 1;
  }
  return { named, unproven };
}
