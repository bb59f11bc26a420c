// What crosses when requests move out of one engine into another: plain values, the same for both.
import type { Content, Failure, FinalState, State } from "../core/request.ts";
import type { GroupOverride } from "../core/line-settings.ts";
import type { RequestId } from "../core/request-id.ts";

/** What a queue brings along besides its requests. */
export interface MovedQueue {
  readonly name: string;
  readonly isPaused: boolean;
  readonly pausedAt: number | undefined;
  /** Finished requests that are not kept any more, only counted. */
  readonly expired: Readonly<Record<FinalState, number>>;
  /** What was said of its groups at run time. */
  readonly groups: readonly MovedGroup[];
}

export interface MovedGroup {
  readonly group: string;
  readonly override: GroupOverride;
}

/** A request with all that is known of it. */
export interface MovedRequest {
  readonly id: RequestId;
  readonly queue: string;
  /** As it is stored, with its sender: see storedKeyOf. */
  readonly key: string | undefined;
  /** Of the body; there is one where there is a key. */
  readonly fingerprint: Uint8Array | undefined;
  readonly contentType: string;
  /** As JSON. */
  readonly headers: string | undefined;
  readonly body: Uint8Array;
  readonly attempts: number;
  readonly startedAt: number | undefined;
  /** When it was replayed last; undefined if it never was. */
  readonly replayedAt: number | undefined;
  readonly failures: readonly MovedFailure[];
  readonly callback: MovedCallback | undefined;
  /** Undefined where it does not expire, or not any more; in a spool too, where its head alone tells. */
  readonly expiresAt: number | undefined;
  readonly standing: MovedBacklog | MovedOutcome;
}

/** That it wants a callback, and how far that is. */
export interface MovedCallback {
  readonly url: string;
  readonly round: number;
  /** Whether the callback of this round has been accepted. */
  readonly isTold: boolean;
}

export interface MovedBacklog {
  readonly kind: "backlog";
  /** 0 where it has waited from the start. */
  readonly dueAt: number;
  readonly crashes: number;
  /** It was accepted for `dueAt`, and has never come due. */
  readonly isFirst: boolean;
  /** It stands in a line: its place comes with the same page, or with a later one if it went to the end of its order key. */
  readonly isLined: boolean;
}

/** A place in a line. */
export interface MovedPlace {
  readonly id: RequestId;
  readonly queue: string;
  readonly group: string;
  readonly urgency: number;
  readonly order: string | undefined;
  /** Its turn among those of its order key: grows from page to page. */
  readonly turn: number;
  /** Since when it waits, or is dead. */
  readonly since: number;
  /** It is dead, and holds its order key. */
  readonly isHolding: boolean;
}

export interface MovedOutcome {
  readonly kind: "outcome";
  readonly state: FinalState;
  readonly finishedAt: number;
  readonly result: Content | undefined;
  /** What came back beside the result, as JSON. */
  readonly response: string | undefined;
  readonly failure: Failure | undefined;
}

export interface MovedFailure extends Failure {
  readonly attempt: number;
  readonly failedAt: number;
}

/** In the order of acceptance. */
export interface MovedPage {
  readonly requests: readonly MovedRequest[];
  readonly places: readonly MovedPlace[];
  /** How far the move is with this page: grows from page to page, from 0. */
  readonly upTo: number;
}

/** A request by what the two sides can be compared by. */
export interface ComparedRequest {
  readonly id: RequestId;
  readonly queue: string;
  /** As it is stored. */
  readonly key: string | undefined;
  readonly state: State;
}
