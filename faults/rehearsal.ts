// A field under `sluice rehearse`: the product's own rehearsal sends, kills, waits and reads back, and all that its client
// saw goes into the ledger as it sees it. What comes of it is judged twice, by the rehearsal and by the checker.
import { SluiceClient } from "@sluice/client";
import { systemClock } from "../packages/sluice/src/core/clock.ts";
import { parseArrivals, type Arrivals } from "../packages/sluice/src/planner/arrivals.ts";
import { Books, type Range, type Sight, type Witness } from "../packages/sluice/src/rehearsal/books.ts";
import { compress, type Compression } from "../packages/sluice/src/rehearsal/compressed-day.ts";
import { DaySender, type DaySenderOptions } from "../packages/sluice/src/rehearsal/day-sender.ts";
import type { Victim } from "../packages/sluice/src/rehearsal/killer.ts";
import type { Payloads } from "../packages/sluice/src/rehearsal/payloads.ts";
import { phraseOf } from "../packages/sluice/src/rehearsal/profiles.ts";
import { rehearse, type Rehearsed } from "../packages/sluice/src/rehearsal/rehearse.ts";
import type { Placing } from "../packages/sluice/src/rehearsal/turns.ts";
import { residentsOf, type Field } from "./field.ts";
import type { LedgerLine } from "./ledger.ts";
import type { Peaks } from "./peaks.ts";
import { sha256Of } from "./parcel.ts";
import { bodyHashIn } from "./readings.ts";

/** What is sent, and how. */
export interface Profile {
  /** Begins the key of each request. */
  readonly name: string;
  readonly arrivals: Arrivals;
  /** JSON, by the request's number. */
  readonly bodyOf: (number: number) => unknown;
  readonly singleShare?: number;
  readonly isHeldUp?: boolean;
  /** Called with the number of each request that got its receipt. */
  readonly onReceipt?: (number: number) => void;
}

export interface RehearsalPlan extends Profile {
  readonly victims?: readonly Victim[];
  /** In all. */
  readonly kills?: number;
  readonly seed: number;
  /** Order keys and groups; none unless given. */
  readonly placing?: Placing | undefined;
  readonly peaks?: Peaks;
}

const answerMsMax = 60_000;
/** A gateway that was killed is back by then. */
const restartMsMax = 60_000;
const backoffMaxMs = 2_000;
const patienceMs = 120_000;
const peaksEveryMs = 1_000;

/** One of the names of `sluice rehearse --profile`, faster, and with as many requests as given. */
export function arrivalsOf(name: "day" | "peak" | "burst", compression: Compression): Arrivals {
  return compress(parseArrivals(phraseOf(name), 0), compression);
}

/** Sends alone, and resolves to the client's books once each request has its receipt. */
export async function sendOn(field: Field, profile: Profile): Promise<Books> {
  const { witness, ...sending } = sendingOf(field, profile);
  const books = new Books(witness);
  const { signal } = new AbortController();
  await new DaySender({ ...sending, books }).send({ stop: signal, abort: signal });
  return books;
}

/** The whole rehearsal. */
export async function rehearseOn(field: Field, plan: RehearsalPlan): Promise<Rehearsed> {
  const { victims = [], kills = 0, seed, placing, peaks } = plan;
  const { signal } = new AbortController();
  const noting = setInterval(() => peaks?.note(residentsOf(field)), peaksEveryMs);
  try {
    return await rehearse({
      ...sendingOf(field, plan),
      patient: clientsOf(field, restartMsMax),
      isResultOf: (result, body) => bodyHashIn(result) === sha256Of(body),
      isBesideOthers: false,
      servicePerHour: undefined,
      seed,
      placing,
      victims,
      kills,
      onStart: () => {},
      stop: signal,
      abort: signal,
    });
  } finally {
    clearInterval(noting);
    peaks?.note(residentsOf(field));
  }
}

function sendingOf(field: Field, profile: Profile): Omit<DaySenderOptions, "books"> & { readonly witness: Witness } {
  const { name, arrivals, bodyOf, singleShare = 0, isHeldUp = false, onReceipt } = profile;
  const keyOf = (number: number): string => `${name}-${number}`;
  const payloads: Payloads = {
    contentType: "application/json",
    bytesMax: 500,
    of: (number) => new TextEncoder().encode(JSON.stringify(bodyOf(number))),
  };
  return {
    clients: clientsOf(field, 0),
    queue: "orders",
    day: arrivals,
    payloads,
    keyOf,
    singleShare,
    isHeldUp,
    patienceMs,
    clock: systemClock,
    async witness(sight) {
      await field.ledger.append(...linesOf(sight, { keyOf, payloads }));
      if (sight.kind === "accepted" && onReceipt !== undefined) numbersOf(sight).forEach(onReceipt);
    },
  };
}

function clientsOf({ urls: [first, ...others] }: Field, elapsedMaxMs: number): [SluiceClient, ...SluiceClient[]] {
  const retry = { attemptsMax: Number.POSITIVE_INFINITY, elapsedMaxMs, backoffMaxMs, attemptTimeoutMs: answerMsMax };
  const clientOf = (url: string): SluiceClient => new SluiceClient({ url, retry });
  return [clientOf(first), ...others.map(clientOf)];
}

interface Named {
  readonly keyOf: (number: number) => string;
  readonly payloads: Payloads;
}

/** The sight of a range is a line for each request in it. */
function linesOf(sight: Sight, { keyOf, payloads }: Named): readonly LedgerLine[] {
  const each = (line: (parcel: { key: string; sha256: string }, offset: number) => LedgerLine, range: Range) =>
    numbersOf(range).map((number, offset) =>
      line({ key: keyOf(number), sha256: sha256Of(payloads.of(number)) }, offset),
    );
  switch (sight.kind) {
    case "sent":
      return each((parcel) => ({ kind: "sent", ...parcel }), sight);
    case "accepted":
      return each((parcel, offset) => ({ kind: "accepted", ...parcel, id: sight.ids[offset] as string }), sight);
    case "refused":
      return each((parcel) => ({ kind: "refused", ...parcel, status: sight.status ?? 0 }), sight);
    case "unknown":
      return each((parcel) => ({ kind: "unknown", ...parcel, reason: sight.reason }), sight);
    case "result": {
      const { id, bytes } = sight;
      return [{ kind: "result", id, resultHash: sha256Of(bytes), resultOf: bodyHashIn(bytes) }];
    }
    default:
      return sight satisfies never;
  }
}

function numbersOf({ from, count }: Range): readonly number[] {
  return Array.from({ length: count }, (_, offset) => from + offset);
}
