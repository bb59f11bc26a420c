// What crosses between the engine's thread and its writer and reader: calls one way, answers the other,
// many of each in one message.
import type { GroupOverride, LineCountsBounds } from "../../core/line-settings.ts";
import type { Activity } from "../../core/activity.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { Claim, NewRequest, Outcome } from "../../core/request.ts";
import type { RequestId } from "../../core/request-id.ts";
import type { RetryBounds } from "../../core/retry-share.ts";
import type { Commit } from "../../engine/commit.ts";
import type { QueueBounds, RetryOptions, ToldCallback } from "../../engine/engine.ts";
import type { ReplaySliceAsk } from "../shared/replay-slices.ts";
import type { ReaderVerbs } from "./reader-verbs.ts";

export type WriterCall =
  | { readonly verb: "accept"; readonly call: number; readonly requests: readonly NewRequest[] }
  | {
      readonly verb: "deliver";
      readonly call: number;
      readonly queue: string;
      readonly max: number;
      readonly retries: RetryBounds | undefined;
    }
  /** Ends a deliver that waits; answered only through that deliver's own answer. */
  | { readonly verb: "abandon"; readonly call: number; readonly deliver: number }
  | { readonly verb: "settle"; readonly call: number; readonly claim: Claim; readonly outcome: Outcome }
  | { readonly verb: "retry"; readonly call: number; readonly claim: Claim; readonly options: RetryOptions }
  | { readonly verb: "crashed"; readonly call: number; readonly claim: Claim }
  | { readonly verb: "replay" | "cancel"; readonly call: number; readonly id: RequestId }
  | { readonly verb: "replaySlice"; readonly call: number; readonly ask: ReplaySliceAsk }
  | { readonly verb: "callbacksTold"; readonly call: number; readonly told: readonly ToldCallback[] }
  | { readonly verb: "noteActivity"; readonly call: number; readonly activities: readonly Activity[] }
  | { readonly verb: "pause"; readonly call: number; readonly queue: string; readonly isPaused: boolean }
  | { readonly verb: "noteKeyed"; readonly call: number; readonly isKeyed: boolean }
  | { readonly verb: "askReplicas"; readonly call: number; readonly queue: string; readonly replicas: number }
  | {
      readonly verb: "setGroup";
      readonly call: number;
      readonly queue: string;
      readonly group: string;
      readonly override: GroupOverride | undefined;
    }
  | {
      readonly verb: "pauseGroup";
      readonly call: number;
      readonly queue: string;
      readonly group: string;
      readonly isPaused: boolean;
    }
  | { readonly verb: "groups" | "heldOrders"; readonly call: number; readonly queue: string; readonly max: number }
  | { readonly verb: "lineCounts"; readonly call: number; readonly bounds: LineCountsBounds }
  | { readonly verb: "releaseOrder"; readonly call: number; readonly queue: string; readonly order: string }
  | { readonly verb: "close"; readonly call: number };

export type ReaderCall = {
  readonly [Verb in keyof ReaderVerbs]: {
    readonly verb: Verb;
    readonly call: number;
    readonly args: Parameters<ReaderVerbs[Verb]>;
  };
}[keyof ReaderVerbs];

/** A call as its caller writes it: the number is given by the thread's port. */
export type Unnumbered<Call> = Call extends unknown ? Omit<Call, "call"> : never;

/** An error as it crosses between threads. */
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
}

export interface Answer {
  readonly call: number;
  readonly value?: unknown;
  readonly error?: Problem;
}

export interface FromThread {
  readonly answers: readonly Answer[];
  /** What was committed for these answers. */
  readonly commit?: Commit;
  /** Said when the store's state changed: a problem came, or went. */
  readonly told?: { readonly problem: Problem | undefined };
  /** What has ended without a call: it expired. */
  readonly lapsed?: readonly RequestId[];
}

/** The first message of a thread. */
export type Opening = { readonly kind: "opened" } | ({ readonly kind: "refused" } & Problem);

export interface ToWriter {
  readonly calls: readonly WriterCall[];
  /** What the engine's clock shows beyond the system's: 0 but in tests. */
  readonly clockOffsetMs: number;
}

export interface WriterSettings {
  readonly folder: string;
  readonly owner: string;
  readonly queues: readonly QueueBounds[];
  readonly retentionMs: number;
  readonly crashesMax: number;
  readonly diskFreeMin: number | undefined;
  readonly clockOffsetMs: number;
  readonly isSpool: boolean;
}
