// Who may call which route: the one table. The gateway enforces it, and the API's description is made of it. A route that is
// not in it does not start.
import type { Scope } from "../../core/api-key.ts";
import { invariant } from "../../core/errors.ts";

/** What a call concerns, and so what a key that is limited to some queues gets of it. */
export type Concern =
  /** The queue that the path names: to a key that does not know it, it does not exist. */
  | "queue"
  /** The request that the path names: it does not exist where its queue does not. */
  | "request"
  /** Many queues: the route itself leaves out those that the key does not know. */
  | "seen"
  /** The server as a whole: not for keys that are limited. */
  | "server"
  /** No queue at all. */
  | "nothing";

export type RouteAccess =
  | { readonly kind: "public" }
  | {
      readonly kind: "keyed";
      /** Undefined: any key will do. */
      readonly scope: Scope | undefined;
      readonly concern: Concern;
    };

const anybody: RouteAccess = { kind: "public" };

function keyed(scope: Scope | undefined, concern: Concern): RouteAccess {
  return { kind: "keyed", scope, concern };
}

const table = {
  "POST /v1/queues/:queue/requests": keyed("send", "queue"),
  "POST /v1/queues/:queue/batches": keyed("send", "queue"),
  "GET /v1/requests": keyed("read", "seen"),
  "GET /v1/requests/:id": keyed("read", "request"),
  "GET /v1/requests/:id/result": keyed("read", "request"),
  "GET /v1/requests/:id/body": keyed("read", "request"),
  "GET /v1/requests/:id/attempts": keyed("read", "request"),
  "GET /v1/requests/:id/events": keyed("read", "request"),
  "GET /v1/queues": keyed("read", "seen"),
  "GET /v1/queues/:queue": keyed("read", "queue"),
  "GET /v1/queues/:queue/dead": keyed("read", "queue"),
  "GET /v1/queues/:queue/scaling": keyed("read", "queue"),
  "GET /v1/schedules": keyed("read", "seen"),
  "GET /v1/overview/events": keyed("read", "seen"),
  "GET /v1/audit": keyed("read", "seen"),
  "GET /v1/audit/order": keyed("read", "seen"),
  "GET /v1/audit/receipts/:id": keyed("read", "request"),
  "POST /v1/requests/:id/replay": keyed("admin", "request"),
  "POST /v1/requests/:id/cancel": keyed("admin", "request"),
  "POST /v1/queues/:queue/replay": keyed("admin", "queue"),
  "POST /v1/queues/:queue/pause": keyed("admin", "queue"),
  "POST /v1/queues/:queue/resume": keyed("admin", "queue"),
  "GET /v1/queues/:queue/groups": keyed("read", "queue"),
  "PUT /v1/queues/:queue/groups/:group": keyed("admin", "queue"),
  "POST /v1/queues/:queue/groups/:group/pause": keyed("admin", "queue"),
  "POST /v1/queues/:queue/groups/:group/resume": keyed("admin", "queue"),
  "GET /v1/queues/:queue/orders": keyed("read", "queue"),
  "POST /v1/queues/:queue/orders/:order/release": keyed("admin", "queue"),
  "POST /v1/audit/heal": keyed("admin", "server"),
  "GET /v1/activity": keyed("admin", "server"),
  "GET /metrics": keyed("read", "server"),
  "GET /openapi.json": keyed(undefined, "nothing"),
  // Those who ask cannot show a key: the orchestrator, and a browser that has yet to load the page that asks for it.
  "GET /livez": anybody,
  "GET /readyz": anybody,
  "GET /": anybody,
  "GET /assets/*": anybody,
} as const satisfies Readonly<Record<string, RouteAccess>>;

export type RouteName = keyof typeof table;

/** Throws for a route that the table does not know: a forgotten one must not be open. */
export function accessOf(method: string, path: string): RouteAccess {
  const access = (table as Readonly<Record<string, RouteAccess>>)[`${method === "HEAD" ? "GET" : method} ${path}`];
  invariant(access !== undefined, `${method} ${path} is not in the table of gateway/access/route-access.ts`);
  return access;
}
