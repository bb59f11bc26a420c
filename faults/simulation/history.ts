// One history: a cluster that works under the faults of its seed, and then has to come to rest without them.
import { enterWorld } from "./current.ts";
import { Clients } from "./clients.ts";
import { GreatFaults } from "./great-faults.ts";
import { judge } from "./judgement.ts";
import { planOf } from "./plan.ts";
import { Seat } from "./seats.ts";
import { serviceOf } from "./service-b.ts";
import { World, type WorldOptions } from "./world.ts";

export interface Played {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly steps: number;
  readonly accepted: number;
  readonly simulatedMs: number;
  readonly faults: ReadonlyMap<string, number>;
}

/** Small faults are over by then; great ones have begun. */
const faultyMs = 6_000;
/** Once all faults are over, everything that was accepted has its outcome within so long. */
const restMsMax = 60_000;
/** Where confirmed hints were lost, or somebody held them without a sign of life, the look for lost hints has to find them. */
const restMsMaxAfterLoss = 150_000;

export async function playHistory(seed: number, options: WorldOptions = {}): Promise<Played> {
  const world = new World(seed, options);
  const onRejection = (error: unknown): void => world.checks.threw(error);
  process.on("unhandledRejection", onRejection);
  enterWorld(world);
  try {
    return await play(world);
  } finally {
    enterWorld(undefined);
    process.off("unhandledRejection", onRejection);
  }
}

async function play(world: World): Promise<Played> {
  const plan = planOf(world.seed);
  const handle = serviceOf(world);
  const seats = [
    ...Array.from({ length: plan.gateways }, (_, at) => new Seat(world, { role: "gateway", no: at + 1, handle })),
    ...Array.from({ length: plan.workers }, (_, at) => new Seat(world, { role: "worker", no: at + 1, handle })),
  ];
  const clients = new Clients(
    world,
    seats.filter(({ role }) => role === "gateway"),
  );
  const greatFaults = new GreatFaults(world, seats);
  if (plan.hasStandby) world.ledger.addStandby();
  for (const seat of seats) seat.start();
  for (const sending of plan.sendings) clients.send(sending);
  for (const asking of plan.askings) clients.ask(asking);
  for (const fault of plan.faults) greatFaults.schedule(fault);
  world.time.after(faultyMs, () => (world.faults.isActive = false));
  const calmAt = Math.max(faultyMs, ...plan.faults.map((fault) => fault.atMs + ("forMs" in fault ? fault.forMs : 0)));
  const isLossy = plan.faults.some(({ kind }) => lossy.has(kind)) || world.faults.counts.has("confirm-never");
  const deadline = calmAt + (isLossy ? restMsMaxAfterLoss : restMsMax);
  const isResting = (): boolean => world.time.now > faultyMs && clients.isDone && isAtRest(world);
  await world.time.runUntil(() => world.checks.violations.length > 0 || world.time.now > deadline || isResting());
  if (world.checks.violations.length === 0) {
    if (!isResting()) world.checks.broke(`not at rest ${deadline - calmAt} ms after the last fault: ${unrest(world)}`);
    else {
      await world.time.runUntil(() => world.time.now > calmAt);
      await judge(world, { clients, seats });
    }
  }
  for (const one of world.processes) one.kill();
  return {
    seed: world.seed,
    violations: world.checks.violations,
    steps: world.time.steps,
    accepted: clients.acceptedCount,
    simulatedMs: world.time.now,
    faults: world.faults.counts,
  };
}

const lossy = new Set<string>([
  "broker-wipe",
  "queue-deleted",
  "ledger-crash",
  "freeze",
  "vanish",
  "silence",
  "failover",
]);

function isAtRest(world: World): boolean {
  const { requests, outcomes, outbox, running } = world.ledger.tables;
  const isEnded = outcomes.rows.size === requests.rows.size && running.rows.size === 0;
  return isEnded && outbox.rows.size === 0 && world.broker.held().length === 0;
}

function unrest(world: World): string {
  const { requests, outcomes, outbox, running, schedule } = world.ledger.tables;
  const open = [...requests.rows.keys()].filter((id) => !outcomes.has(id));
  const rows = [...running.rows.values(), ...schedule.rows.values(), ...outbox.rows.values()];
  const hints = world.broker.held().map(({ content, type, queue }) => `${queue} ${type} ${content.toString("latin1")}`);
  return `no outcome: ${open.join(" ")}; rows: ${JSON.stringify(rows)}; hints held: ${hints.join(" ")}`;
}
