// What happens in a history, drawn from its seed: what is sent and asked for, and the great faults with their moments.
import { seededRandom, type Random } from "../../packages/sluice/src/core/seeded-random.ts";
import type { Role } from "./process.ts";
import type { ServerName } from "./wire.ts";
import { queues } from "./world.ts";

/** What the handler makes of a request. */
export type Course =
  | { readonly kind: "done"; readonly failures: number }
  | { readonly kind: "rejected" }
  | { readonly kind: "kills"; readonly times: number };

export interface Sending {
  readonly tag: number;
  readonly atMs: number;
  readonly queue: string;
  readonly key: string | undefined;
  readonly course: Course;
  readonly runMs: number;
  /** Sent again at once elsewhere, under the same key. */
  readonly isTwice: boolean;
  /** It is not to begin for so long. */
  readonly waitsMs: number | undefined;
  /** It ends unless it has begun by then. */
  readonly lastsMs: number | undefined;
  readonly order: string | undefined;
  readonly group: string | undefined;
  readonly urgency: number | undefined;
}

type Lined = Pick<Sending, "order" | "group" | "urgency">;
type Place = Pick<Sending, "waitsMs" | "lastsMs">;

export type Asking =
  | { readonly kind: "cancel"; readonly atMs: number; readonly tag: number }
  | { readonly kind: "replay"; readonly atMs: number; readonly queue: string }
  | { readonly kind: "pause"; readonly atMs: number; readonly queue: string; readonly forMs: number };

export type GreatFault =
  | { readonly kind: "kill"; readonly atMs: number; readonly role: Role; readonly seat: number }
  | { readonly kind: "vanish"; readonly atMs: number; readonly role: Role; readonly seat: number }
  | {
      readonly kind: "freeze";
      readonly atMs: number;
      readonly role: Role;
      readonly seat: number;
      readonly forMs: number;
    }
  | { readonly kind: "stop"; readonly atMs: number; readonly role: Role; readonly seat: number }
  | {
      readonly kind: "silence";
      readonly atMs: number;
      readonly role: Role;
      readonly seat: number;
      readonly server: ServerName;
      readonly forMs: number;
    }
  | {
      readonly kind: "reset";
      readonly atMs: number;
      readonly role: Role;
      readonly seat: number;
      readonly server: ServerName;
    }
  | { readonly kind: "ledger-restart"; readonly atMs: number; readonly forMs: number }
  | { readonly kind: "ledger-crash"; readonly atMs: number; readonly forMs: number }
  | { readonly kind: "standby-away"; readonly atMs: number; readonly forMs: number }
  | { readonly kind: "waits-cancelled"; readonly atMs: number; readonly forMs: number }
  | { readonly kind: "waits-terminated"; readonly atMs: number; readonly forMs: number }
  | { readonly kind: "failover"; readonly atMs: number; readonly cutMs: number; readonly forMs: number }
  | { readonly kind: "broker-restart"; readonly atMs: number; readonly forMs: number }
  | { readonly kind: "broker-wipe"; readonly atMs: number; readonly forMs: number }
  | { readonly kind: "queue-deleted"; readonly atMs: number; readonly queue: string }
  | { readonly kind: "cache-restart"; readonly atMs: number; readonly forMs: number };

export interface Plan {
  readonly sendings: readonly Sending[];
  readonly askings: readonly Asking[];
  readonly faults: readonly GreatFault[];
  readonly gateways: number;
  readonly workers: number;
  /** Whether the ledger has a synchronous standby. */
  readonly hasStandby: boolean;
}

const sendingMs = 3_000;
const faultyMs = 5_000;
const kinds = [
  "kill",
  "vanish",
  "freeze",
  "stop",
  "silence",
  "reset",
  "ledger-restart",
  "ledger-crash",
  "broker-restart",
  "broker-wipe",
  "queue-deleted",
  "cache-restart",
] as const satisfies readonly GreatFault["kind"][];
const standbyKinds = ["standby-away", "waits-cancelled", "waits-terminated", "failover"] as const;

export function planOf(seed: number): Plan {
  const random = seededRandom(seed, "plan");
  const seats = { gateway: 2, worker: random.between(2, 3) };
  const count = random.between(3, 25);
  const places = seededRandom(seed, "places"); // of its own: what was drawn before there were any is drawn as before
  const lines = seededRandom(seed, "lines"); // as well
  const hasLines = drawsLines(seed);
  const sendings = Array.from({ length: count }, (_, tag) => ({
    ...sendingOf(tag, random),
    ...placeOf(places),
    ...(hasLines ? lineOf(lines) : inNoLine),
  }));
  const isCalm = random.next() < 0.1;
  const hasStandby = random.next() < 0.4;
  const likely = [
    ...kinds.filter(() => random.next() < 0.25),
    ...(hasStandby ? standbyKinds.filter(() => random.next() < 0.5) : []),
  ];
  const faults = isCalm
    ? []
    : likely.flatMap((kind) => Array.from({ length: random.between(1, 2) }, () => faultOf(kind, seats, random)));
  return {
    sendings,
    askings: askingsOf(count, random),
    faults: faults.sort((left, right) => left.atMs - right.atMs),
    gateways: seats.gateway,
    workers: seats.worker,
    hasStandby,
  };
}

function placeOf(random: Random): Place {
  const waitsMs = random.next() < 0.15 ? random.between(50, 4_000) : undefined;
  return { waitsMs, lastsMs: random.next() < 0.2 ? (waitsMs ?? 0) + random.between(20, 3_000) : undefined };
}

/** Whether requests of this history stand in lines. */
export function drawsLines(seed: number): boolean {
  return seededRandom(seed, "has lines").next() < 0.5;
}

const inNoLine: Lined = { order: undefined, group: undefined, urgency: undefined };

function lineOf(random: Random): Lined {
  return {
    order: random.next() < 0.6 ? random.pick(["a", "b"]) : undefined,
    group: random.next() < 0.4 ? random.pick(["x", "y"]) : undefined,
    urgency: random.next() < 0.4 ? random.between(0, 7) : undefined,
  };
}

function sendingOf(tag: number, random: Random): Omit<Sending, keyof Place | keyof Lined> {
  const isKeyed = random.next() < 0.8;
  return {
    tag,
    atMs: random.between(0, sendingMs),
    queue: random.pick(queues),
    key: isKeyed ? `key-${tag}` : undefined,
    course: courseOf(random),
    runMs: random.next() < 0.1 ? random.between(500, 3_000) : random.between(1, 60),
    isTwice: isKeyed && random.next() < 0.2,
  };
}

function courseOf(random: Random): Course {
  const chance = random.next();
  if (chance < 0.7) return { kind: "done", failures: 0 };
  if (chance < 0.85) return { kind: "done", failures: random.between(1, 4) };
  if (chance < 0.95) return { kind: "rejected" };
  return { kind: "kills", times: random.between(1, 2) };
}

function askingsOf(count: number, random: Random): readonly Asking[] {
  const askings: Asking[] = [];
  const at = (): number => random.between(200, faultyMs);
  while (random.next() < 0.3) askings.push({ kind: "cancel", atMs: at(), tag: random.between(0, count - 1) });
  while (random.next() < 0.2) askings.push({ kind: "replay", atMs: at(), queue: random.pick(queues) });
  while (random.next() < 0.1)
    askings.push({ kind: "pause", atMs: at(), queue: random.pick(queues), forMs: random.between(100, 2_000) });
  return askings;
}

function faultOf(kind: GreatFault["kind"], seats: Readonly<Record<Role, number>>, random: Random): GreatFault {
  const atMs = random.between(100, faultyMs);
  const role = random.pick<Role>(["gateway", "worker", "worker"]);
  const seat = random.between(1, seats[role]);
  const server = random.pick<ServerName>(["ledger", "broker"]);
  const shortMs = random.between(200, 4_000);
  switch (kind) {
    case "kill":
    case "vanish":
    case "stop":
      return { kind, atMs, role, seat };
    case "freeze":
      return { kind, atMs, role, seat, forMs: random.pick([shortMs, random.between(14_000, 25_000)]) };
    case "silence":
      return { kind, atMs, role, seat, server, forMs: random.pick([shortMs, random.between(10_000, 20_000)]) };
    case "reset":
      return { kind, atMs, role, seat, server };
    case "queue-deleted":
      return { kind, atMs, queue: random.pick(queues) };
    case "failover":
      return { kind, atMs, cutMs: random.between(0, 500), forMs: shortMs };
    case "standby-away":
    case "waits-cancelled":
    case "waits-terminated":
    case "ledger-restart":
    case "ledger-crash":
    case "broker-restart":
    case "broker-wipe":
    case "cache-restart":
      return { kind, atMs, forMs: shortMs };
    default:
      return kind satisfies never;
  }
}
