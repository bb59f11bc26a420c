import type { RequestStatus } from "../core/request.ts";
import type { QueueViews } from "./queue-views.ts";
import type { RequestView } from "./schemas.ts";
import { timeText, timeTextOrNull } from "./time-text.ts";

/** A request as the API shows it. */
export function viewOfRequest(status: RequestStatus, views: QueueViews): RequestView {
  return {
    id: status.id,
    queue: status.queue,
    key: status.key ?? null,
    state: status.state,
    attempts: status.attempts,
    acceptedAt: timeText(status.acceptedAt),
    startedAt: timeTextOrNull(status.startedAt),
    finishedAt: timeTextOrNull(status.finishedAt),
    nextAttemptAt: status.state === "scheduled" ? timeTextOrNull(status.nextAttemptAt) : null,
    lastError: status.lastError ? { code: status.lastError.code, message: status.lastError.message } : null,
    contentType: status.contentType,
    bytes: status.bytes,
    expectedBy: timeTextOrNull(views.expectedBy(status)),
    progress: status.progress ?? null,
  };
}
