import type { RequestStatus } from "../core/request.ts";
import { requestView } from "../core/request-view.ts";
import type { QueueViews } from "./queue-views.ts";
import type { RequestView } from "./schemas.ts";

/** A request as the API shows it. */
export function viewOfRequest(status: RequestStatus, views: QueueViews): RequestView {
  return requestView(status, views.expectedBy(status));
}
