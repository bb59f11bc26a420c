// The gate before every route: who may call it, by the table of route-access.ts. It decides before a body is read and before
// parameters are looked at.
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from "fastify";
import { invariant, SluiceError } from "../../core/errors.ts";
import type { App, GatewayContext } from "../context.ts";
import { unknownQueue } from "../context.ts";
import { parseRequestId } from "../../core/request-id.ts";
import { pathOf } from "../problem.ts";
import { unknownRequest } from "../read.ts";
import { keyRefusal } from "./key-refusal.ts";
import type { Grant, Shown } from "./key-ring.ts";
import { accessOf, type RouteAccess } from "./route-access.ts";
import { seesEverything, type Viewer } from "./viewer.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    access?: RouteAccess;
  }
  interface FastifyRequest {
    /** What the caller gets to see. */
    viewer: Viewer;
    /** Undefined where no key is needed. */
    grant: Grant | undefined;
    /** Of who asks for a change: the connection may have gone by the time it is done. */
    address: string | undefined;
  }
}

/** Before the routes, so that none goes without. */
export function addGate(app: App, context: GatewayContext): void {
  app.decorateRequest("viewer");
  app.decorateRequest("grant");
  app.decorateRequest("address");
  app.addHook("onRoute", (route) => {
    invariant(
      typeof route.method === "string",
      `${route.url} has several methods in one: each has an access of its own`,
    );
    const access = accessOf(route.method, route.url);
    route.config = { ...route.config, access };
    route.onRequest = [route.onRequest ?? [], gateOf(context, access)].flat();
  });
}

function gateOf(context: GatewayContext, access: RouteAccess): onRequestHookHandler {
  return (request, reply, proceed) => {
    request.viewer = seesEverything;
    if (access.kind === "public") return proceed();
    if (access.scope === "admin") {
      if (!context.adminListener.takes(request.raw)) throw notHere(request);
      request.address = request.socket.remoteAddress;
    }
    // What only some may read is kept by no cache, and taken by no browser for another type. Receipts go without: see sendReceipt.
    if (access.scope !== "send") reply.header("cache-control", "no-store").header("x-content-type-options", "nosniff");
    const grant = grantFor(context, { access, request, reply });
    if (grant === undefined) return proceed();
    request.viewer = grant.viewer;
    if (grant.viewer === seesEverything) return proceed();
    checkSight(context, access, request).then(() => proceed(), proceed);
  };
}

interface KeyedCall {
  readonly access: Extract<RouteAccess, { readonly kind: "keyed" }>;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** What the caller's key allows; undefined where there are no keys. Throws when it does not allow the call. */
function grantFor({ keys }: GatewayContext, { access, request, reply }: KeyedCall): Grant | undefined {
  const shown: Shown = keys?.find(request.headers.authorization) ?? { kind: "open" };
  if (shown.kind === "key") request.grant = shown.grant; // of a refused call too: the activity log tells whose it was
  const refusal = keyRefusal(shown, access.scope);
  if (refusal === undefined) return request.grant;
  if (refusal.challenge !== undefined) reply.header("www-authenticate", refusal.challenge);
  throw refusal.error;
}

/** As where no route is: on this listener there is none. */
function notHere(request: FastifyRequest): SluiceError {
  return new SluiceError("not-found", `there is no ${pathOf(request)}`);
}

/** Throws when the call concerns what a key that is limited to some queues does not know. */
async function checkSight(
  { engine }: GatewayContext,
  { concern }: KeyedCall["access"],
  { params, viewer }: FastifyRequest,
): Promise<void> {
  const { queue = "", id: text = "" } = params as { readonly queue?: string; readonly id?: string };
  switch (concern) {
    case "queue":
      if (!viewer.sees(queue)) throw unknownQueue(queue);
      return;
    case "request": {
      const id = parseRequestId(text);
      const status = id && (await engine.read(id));
      if (status === undefined || !viewer.sees(status.queue)) throw unknownRequest(text);
      return;
    }
    case "server":
      throw new SluiceError(
        "forbidden",
        `this concerns every queue, and the key is limited to ${viewer.queues?.join(", ")}`,
      );
    case "seen":
    case "nothing":
      return;
    default:
      concern satisfies never;
  }
}
