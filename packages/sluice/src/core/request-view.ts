// A request as it is shown to the outside, by the API and in callbacks.
import type { Failure, RequestStatus, State } from "./request.ts";
import type { RequestId } from "./request-id.ts";
import type { RequestHead } from "./stored-head.ts";

/** Times are RFC 3339 in UTC; what is absent is null. */
export interface RequestView {
  readonly id: RequestId;
  /** The request that this id is one more of; absent for any other. */
  readonly sameAs?: RequestId;
  readonly queue: string;
  readonly key: string | null;
  readonly sender: string | null;
  readonly state: State;
  readonly attempts: number;
  readonly acceptedAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** When it was replayed last; absent if it never was. */
  readonly replayedAt?: string;
  readonly nextAttemptAt: string | null;
  readonly lastError: Failure | null;
  readonly contentType: string;
  readonly bytes: number;
  /** With the next two: what else was kept of what was sent. Absent in lists. */
  readonly method?: string | null;
  readonly path?: string | null;
  readonly headers?: Readonly<Record<string, string>> | null;
  /** With the next: what the sender asked for. Absent in lists. */
  readonly notBefore?: string | null;
  readonly expires?: string | null;
  readonly order?: string | null;
  readonly group?: string | null;
  readonly priority?: number | null;
  readonly expectedBy: string | null;
  readonly progress: unknown;
}

export function requestView(status: RequestStatus, expectedBy: number | undefined): RequestView {
  return {
    id: status.id,
    ...(status.sameAs !== undefined && { sameAs: status.sameAs }),
    queue: status.queue,
    key: status.key ?? null,
    sender: status.sender ?? null,
    state: status.state,
    attempts: status.attempts,
    acceptedAt: new Date(status.acceptedAt).toISOString(),
    startedAt: timeOrNull(status.startedAt),
    finishedAt: timeOrNull(status.finishedAt),
    ...(status.replayedAt !== undefined && { replayedAt: new Date(status.replayedAt).toISOString() }),
    nextAttemptAt: status.state === "scheduled" ? timeOrNull(status.nextAttemptAt) : null,
    lastError: status.lastError ? { code: status.lastError.code, message: status.lastError.message } : null,
    contentType: status.contentType,
    bytes: status.bytes,
    ...(status.head && headView(status.head)),
    expectedBy: timeOrNull(expectedBy),
    progress: status.progress ?? null,
  };
}

function headView({ method, path, headers, placement }: RequestHead): HeadView {
  return {
    method: method ?? null,
    path: path ?? null,
    headers: headers ?? null,
    notBefore: timeOrNull(placement?.notBefore),
    expires: timeOrNull(placement?.expiresAt),
    order: placement?.order ?? null,
    group: placement?.group ?? null,
    priority: placement?.urgency ?? null,
  };
}

type HeadView = Pick<
  RequestView,
  "method" | "path" | "headers" | "notBefore" | "expires" | "order" | "group" | "priority"
>;

function timeOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
