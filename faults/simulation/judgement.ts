// What must hold at the end of a history, when everything has come to rest.
import type { AuditReport } from "../../packages/sluice/src/engine/audit.ts";
import type { Clients, Sent } from "./clients.ts";
import type { OutcomeRow } from "./ledger/tables.ts";
import { crashesMax } from "./member.ts";
import type { Seat } from "./seats.ts";
import type { Body } from "./service-b.ts";
import type { World } from "./world.ts";

const askMsMax = 30_000;
const askAgainMs = 500;
const stopMsMax = 60_000;
const attemptsMax = 4;

export async function judge(
  world: World,
  { clients, seats }: { readonly clients: Clients; readonly seats: readonly Seat[] },
): Promise<void> {
  judgeOutcomes(world, clients);
  await judgeAudit(world, seats);
  await judgeStops(world, seats);
}

/** Each receipt has its request, and each request an outcome that it may have. */
function judgeOutcomes({ ledger, checks, faults }: World, { sent }: Clients): void {
  const { requests, outcomes, effects } = ledger.tables;
  for (const { ids, sending } of sent.values())
    for (const id of ids) if (!outcomes.has(id)) checks.broke(`tag ${sending.tag}, accepted as ${id}, has no outcome`);
  const tags = effects.values();
  for (const { id, body, queue } of requests.values()) {
    const { tag } = JSON.parse(body.toString()) as Body;
    const outcome = outcomes.get(id);
    const one = sent.get(tag);
    if (one === undefined || outcome === undefined) return checks.broke(`${id} is a phantom, or has no outcome`);
    const isForgetful = ledger.crashes > 0 || faults.counts.has("stop") || checks.givenBack.has(id);
    const seen = { starts: checks.startsOf(id), isHeldUp: isHeldUp(faults.counts), isForgetful };
    const fault = wrongWith(outcome, one, seen);
    if (fault !== undefined) checks.broke(`tag ${tag}, ${id}, is ${outcome.state} (${outcome.error_code}): ${fault}`);
    const made = tags.filter((other) => other === tag).length;
    const stored = requests.values().filter((other) => (JSON.parse(other.body.toString()) as Body).tag === tag);
    const done = stored.filter((other) => outcomes.get(other.id)?.state === "done").length;
    if (stored.length > 1) checks.broke(`tag ${tag} was refused, sent again, and is stored ${stored.length} times`);
    if (ledger.tables.queues.get(queue)?.name === "books" && made !== done)
      checks.broke(`tag ${tag} has ${made} effects in its transactions, and is done ${done} times`);
  }
}

const holdingUp = [
  "freeze",
  "slow",
  "silence",
  "deadlock",
  "lost-before",
  "lost-during",
  "lost-after",
  "standby-away",
  "waits-cancelled",
  "waits-terminated",
  "failover",
];

function isHeldUp(counts: ReadonlyMap<string, number>): boolean {
  return holdingUp.some((kind) => counts.has(kind));
}

interface Seen {
  readonly starts: number;
  readonly isHeldUp: boolean;
  /** That it had begun may not be known: the ledger lost its claim, or a process that stopped handed it back. */
  readonly isForgetful: boolean;
}

function wrongWith(
  { state, result, error_code, attempts }: OutcomeRow,
  { sending: { tag, course, lastsMs }, isCancelled }: Sent,
  { starts, isHeldUp, isForgetful }: Seen,
): string | undefined {
  if (error_code === "expired") {
    if (lastsMs === undefined) return "it does not expire";
    return starts === 0 || isForgetful ? undefined : `it began ${starts} times`;
  }
  if (state === "cancelled") return isCancelled ? undefined : "nobody cancelled it";
  if (state === "done") {
    if (result?.toString() !== JSON.stringify({ tag })) return `the result is ${result?.toString()}`;
    if (course.kind === "rejected" || (course.kind === "done" && course.failures >= attemptsMax)) return "it must fail";
    return undefined;
  }
  if (error_code === "rejected") return course.kind === "rejected" ? undefined : "it is not rejected";
  if (error_code === "poison") return starts >= 1 || isHeldUp ? undefined : `it killed no worker ${crashesMax} times`;
  const mayExhaust = course.kind === "done" && course.failures >= attemptsMax;
  return mayExhaust || (isHeldUp && attempts === attemptsMax) ? undefined : "it must not fail so often";
}

/** The product's own audit says the same, once its connection is back. */
async function judgeAudit(world: World, seats: readonly Seat[]): Promise<void> {
  let report: AuditReport | undefined;
  const ask = (): void => {
    const member = seats.flatMap((seat) => seat.member ?? [])[0];
    const again = (): void => void world.time.after(askAgainMs, ask);
    if (member === undefined) return again();
    member.process.inside(() => void member.engine.audit().then((found) => (report = found), again));
  };
  ask();
  const deadline = world.time.now + askMsMax;
  await world.time.runUntil(() => report !== undefined || world.time.now > deadline);
  if (report?.holds !== true) world.checks.broke(`the audit does not hold: ${JSON.stringify(report)}`);
}

/** All of them leave in order, and leave nothing behind. */
async function judgeStops(world: World, seats: readonly Seat[]): Promise<void> {
  const deadline = world.time.now + stopMsMax;
  for (const seat of seats) {
    seat.close();
    if (seat.member === undefined) seat.process?.kill();
    else seat.stop(stopMsMax);
  }
  await world.time.runUntil(() => world.processes.size === 0 || world.time.now > deadline + 1);
  if (world.time.now > deadline) world.checks.broke("a process did not stop in time");
}
