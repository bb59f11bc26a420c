// The words of Sluice and the moves a request may make. Pure: nothing here does I/O.
import type { RequestId } from "./request-id.ts";
import type { RequestHead, ResponseHead } from "./stored-head.ts";

/** Every state a request can be in; the last three are final. */
export const states = ["waiting", "scheduled", "running", "done", "dead", "cancelled"] as const;
export type State = (typeof states)[number];
export type FinalState = Extract<State, "done" | "dead" | "cancelled">;

const movesFrom: Readonly<Record<State, readonly State[]>> = {
  waiting: ["running", "cancelled"],
  scheduled: ["waiting", "running", "cancelled"],
  running: ["done", "dead", "scheduled", "waiting"],
  done: [],
  dead: ["waiting"], // a replay
  cancelled: [],
};

/** Whether the law lets a request go from one state to the other. */
export function canMove(from: State, to: State): boolean {
  return movesFrom[from].includes(to);
}

export function isFinal(state: State): state is FinalState {
  return state === "done" || state === "dead" || state === "cancelled";
}

/** What a client sent, before it is stored. */
export interface NewRequest extends RequestHead {
  readonly queue: string;
  /** The client's Idempotency-Key, unique per queue and sender. */
  readonly key: string | undefined;
  /** The owner of the API key it came with; undefined where there are no API keys. */
  readonly sender?: string | undefined;
  readonly contentType: string;
  readonly body: Uint8Array;
  /** The URL that is to be told of the outcome. */
  readonly callback?: string | undefined;
}

/** A request as it was stored: immutable. Times are milliseconds since 1970, by the store's clock. */
export interface StoredRequest extends Omit<NewRequest, "sender" | "callback"> {
  readonly id: RequestId;
  readonly acceptedAt: number;
}

/** What was done before a receipt was given: a standby has it as well, or not; or only the gateway's spool has it. */
export type Durability = "fsync" | "postgres" | "postgres+standby" | "spool";

/** What the client gets back once the request is durable. */
export interface Receipt {
  readonly id: RequestId;
  readonly queue: string;
  readonly state: State;
  readonly acceptedAt: number;
  /** True when the same key and body had been accepted before. */
  readonly isReplayed: boolean;
  readonly durability: Durability;
  /** It does not begin before this time, where that is known: the engine does not say it of a repeat. */
  readonly nextAttemptAt?: number | undefined;
}

/** Bytes with their type. */
export interface Content {
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

/** What a handler returned, or a target responded with. */
export interface Result extends Content, ResponseHead {}

/** Why an attempt failed or a request is dead. `code` groups failures; `message` is for people. */
export interface Failure {
  readonly code: string;
  readonly message: string;
}

/** The right to settle one delivery. It is void once the request was handed to somebody else. */
export interface Claim {
  readonly id: RequestId;
  readonly queue: string;
  readonly token: number;
}

/** One handing of a request to a worker. */
export interface Delivery {
  readonly request: StoredRequest;
  readonly claim: Claim;
  /** Which attempt a run of the handler would be, from 1. */
  readonly attempt: number;
  /** Whether it comes back: after an attempt that failed or put it off, counted or not, or by a replay. */
  readonly isAgain: boolean;
}

/** The final word on a request that ran. */
export type Outcome =
  | { readonly kind: "done"; readonly result: Result }
  /** With the response of a target that refused it for good. */
  | { readonly kind: "dead"; readonly failure: Failure; readonly response?: Result | undefined };

/** What came back, if anything did. */
export function resultOf(outcome: Outcome): Result | undefined {
  return outcome.kind === "done" ? outcome.result : outcome.response;
}

/** What is known of one request, without its bytes. */
export interface RequestStatus {
  readonly id: RequestId;
  /** The request that it is, where two gateways took the same key while the ledger was out; undefined for any other. */
  readonly sameAs?: RequestId | undefined;
  readonly queue: string;
  readonly key: string | undefined;
  readonly sender: string | undefined;
  readonly state: State;
  /** Attempts that began and came to an end. */
  readonly attempts: number;
  readonly acceptedAt: number;
  /** When the last attempt began. */
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
  /** When it was replayed last; undefined if it never was. */
  readonly replayedAt?: number | undefined;
  readonly nextAttemptAt: number | undefined;
  readonly lastError: Failure | undefined;
  readonly contentType: string;
  readonly bytes: number;
  /** Absent in lists. */
  readonly head?: RequestHead | undefined;
  /** Of the result, or of the response of a target that refused the request; undefined where there is none. */
  readonly resultBytes: number | undefined;
  /** What the running handler reported last; kept in memory only. */
  readonly progress: unknown;
}

export type StateCounts = Readonly<Record<State, number>>;
