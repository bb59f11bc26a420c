// The law as a pure model of one queue: what an engine must answer and hold after any sequence of calls.
// It owns a list of requests in the order of their acceptance; a request is known by its place in it.
import { canMove, states, type State, type StateCounts } from "../../core/request.ts";
import { invariant } from "../../core/errors.ts";

export interface ModelInput {
  readonly key: string | undefined;
  readonly sender: string | undefined;
  readonly body: string;
}

export interface ModelRequest {
  readonly place: number;
  readonly key: string | undefined;
  readonly sender: string | undefined;
  readonly body: string;
  /** `waiting` covers `scheduled`: the two differ by the time alone. */
  state: Exclude<State, "scheduled">;
  dueAt: number;
  /** The delivery that may settle it, by its number. */
  claim: number | undefined;
  wasDelivered: boolean;
  attempts: number;
  crashes: number;
  lastError: string | undefined;
}

export type ModelAcceptance =
  | { readonly kind: "accepted"; readonly places: readonly number[]; readonly isReplayed: readonly boolean[] }
  | { readonly kind: "key-reused"; readonly index: number };

export type ModelMove = { readonly kind: "moved" } | { readonly kind: "refused"; readonly state: State };

/** What one deliver may give: `first` in any order, then the oldest of `fresh`, `count` in all. */
export interface Deliverable {
  readonly count: number;
  /** Due to come back: these go before any that was never delivered. */
  readonly first: ReadonlySet<number>;
  readonly fresh: readonly number[];
}

/** Crashes in flight from which on a request runs alone. */
const suspectCrashes = 2;

export class Model {
  readonly requests: ModelRequest[] = [];
  readonly #crashesMax: number;
  #isPaused = false;
  #claims = 0;

  constructor({ crashesMax }: { readonly crashesMax: number }) {
    this.#crashesMax = crashesMax;
  }

  accept(inputs: readonly ModelInput[]): ModelAcceptance {
    const added: ModelRequest[] = [];
    const places: number[] = [];
    for (const [index, input] of inputs.entries()) {
      const known = input.key === undefined ? undefined : this.#withKey(input, added);
      if (known !== undefined && known.body !== input.body) return { kind: "key-reused", index };
      const request = known ?? newRequest(this.requests.length + added.length, input);
      if (known === undefined) added.push(request);
      places.push(request.place);
    }
    const firstNew = this.requests.length;
    this.requests.push(...added);
    const isReplayed = places.map((place, index) => place < firstNew || places.indexOf(place) < index);
    return { kind: "accepted", places, isReplayed };
  }

  deliverable(max: number, now: number): Deliverable {
    const none = { count: 0, first: new Set<number>(), fresh: [] };
    if (this.#isPaused) return none;
    const waiting = this.requests.filter((request) => this.stateOf(request, now) === "waiting");
    const running = this.requests.filter(({ state }) => state === "running");
    if (running.some(isSuspect)) return none;
    const suspects = waiting.filter(isSuspect);
    if (suspects.length > 0) return running.length > 0 ? none : { count: 1, first: placesOf(suspects), fresh: [] };
    const fresh = waiting.filter(({ wasDelivered }) => !wasDelivered).map(({ place }) => place);
    const first = placesOf(waiting.filter(({ wasDelivered }) => wasDelivered));
    return { count: Math.min(max, waiting.length), first, fresh };
  }

  /** Takes note of a delivery; gives its claim back. */
  delivered(place: number): number {
    const request = this.#at(place);
    this.#move(request, "running");
    this.#claims += 1;
    request.wasDelivered = true;
    request.claim = this.#claims;
    return this.#claims;
  }

  settle(
    claim: number,
    outcome: { readonly state: "done" | "dead"; readonly error?: string },
  ): "settled" | "superseded" {
    const request = this.#claimed(claim);
    if (request === undefined) return "superseded";
    this.#move(request, outcome.state);
    request.attempts += 1;
    request.lastError = outcome.error ?? request.lastError;
    return "settled";
  }

  retry(
    claim: number,
    options: { dueAt: number; error: string | undefined; isCounted: boolean },
  ): "settled" | "superseded" {
    const request = this.#claimed(claim);
    if (request === undefined) return "superseded";
    this.#move(request, "waiting");
    request.dueAt = options.dueAt;
    if (options.isCounted) request.attempts += 1;
    if (options.error !== undefined) {
      request.lastError = options.error;
      request.crashes = 0; // whoever tells of a failure did not kill its worker
    }
    return "settled";
  }

  replay(place: number, now: number): ModelMove {
    const request = this.#at(place);
    if (request.state !== "dead") return { kind: "refused", state: this.stateOf(request, now) };
    this.#move(request, "waiting");
    Object.assign(request, { dueAt: 0, attempts: 0, crashes: 0, lastError: undefined });
    return { kind: "moved" };
  }

  /** The dead ones that a bulk replay may take. */
  dead(error: string | undefined): readonly ModelRequest[] {
    return this.requests.filter(
      ({ state, lastError }) => state === "dead" && (error === undefined || lastError === error),
    );
  }

  cancel(place: number, now: number): ModelMove {
    const request = this.#at(place);
    const state = this.stateOf(request, now);
    if (!canMove(state, "cancelled")) return { kind: "refused", state };
    this.#move(request, "cancelled");
    return { kind: "moved" };
  }

  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
  }

  /** The process died: what ran waits again, or is found out. */
  crash(): void {
    for (const request of this.requests.filter(({ state }) => state === "running")) {
      request.crashes += 1;
      const isPoison = request.crashes >= this.#crashesMax;
      this.#move(request, isPoison ? "dead" : "waiting");
      request.dueAt = 0;
      if (isPoison) request.lastError = "poison";
    }
  }

  /** The process ended gracefully: what ran waits again. */
  close(): void {
    for (const request of this.requests.filter(({ state }) => state === "running")) {
      this.#move(request, "waiting");
      request.dueAt = 0;
    }
  }

  stateOf({ state, dueAt }: ModelRequest, now: number): State {
    return state === "waiting" && dueAt > now ? "scheduled" : state;
  }

  counts(now: number): StateCounts {
    const counts = Object.fromEntries(states.map((state) => [state, 0])) as Record<State, number>;
    for (const request of this.requests) counts[this.stateOf(request, now)] += 1;
    return counts;
  }

  /** The sender's own, or one that is nobody's own. */
  #withKey({ key, sender }: ModelInput, added: readonly ModelRequest[]): ModelRequest | undefined {
    const [all, before] = [[...this.requests, ...added], this.requests];
    const own = all.find((request) => request.key === key && request.sender === sender);
    return own ?? before.find((request) => request.key === key && request.sender === undefined);
  }

  #claimed(claim: number): ModelRequest | undefined {
    return this.requests.find((request) => request.claim === claim);
  }

  #move(request: ModelRequest, to: ModelRequest["state"]): void {
    invariant(canMove(request.state, to), `${request.place} goes from ${request.state} to ${to}`);
    request.state = to;
    request.claim = undefined;
  }

  #at(place: number): ModelRequest {
    const request = this.requests[place];
    invariant(request !== undefined, `no request stands at ${place}`);
    return request;
  }
}

function newRequest(place: number, { key, sender, body }: ModelInput): ModelRequest {
  return {
    place,
    key,
    sender,
    body,
    state: "waiting",
    dueAt: 0,
    claim: undefined,
    wasDelivered: false,
    attempts: 0,
    crashes: 0,
    lastError: undefined,
  };
}

function isSuspect({ crashes }: ModelRequest): boolean {
  return crashes >= suspectCrashes;
}

function placesOf(requests: readonly ModelRequest[]): ReadonlySet<number> {
  return new Set(requests.map(({ place }) => place));
}
