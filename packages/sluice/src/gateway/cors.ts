// Which pages may call: the gateway's own, and where `cors` is set those of other origins, for the API. Credentials are no part
// of it: a key is sent as a header, by the page that has it.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { pageRefusal } from "../core/foreign-page.ts";
import type { KeyRing } from "./access/key-ring.ts";
import type { App } from "./context.ts";
import { pathOf } from "./problem.ts";

/** Browsers ask again after this; Chromium after two hours whatever it says. */
const preflightSeconds = 3_600;
const exposed = [
  "idempotent-replayed",
  "location",
  "preference-applied",
  "ratelimit",
  "ratelimit-policy",
  "retry-after",
  "sluice-request-id",
];

export interface PageOptions {
  readonly keys: KeyRing | undefined;
  /** The names of this server beside the loopback's. */
  readonly hosts: readonly string[];
  /** The origins that may call the API; `"*"` is any. */
  readonly cors: readonly string[];
}

/** Before the routes and the gate: browsers ask beforehand, without a key. */
export function addPageCheck(app: App, { keys, hosts, cors }: PageOptions): void {
  const allowed = new Set(cors);
  app.addHook("onRequest", ({ raw }, reply, proceed) => {
    const { headers } = raw;
    const isOpened = allowed.size > 0 && opens(allowed, raw, reply.raw);
    const own = isOpened || isVisit(raw) ? { host: headers.host } : headers;
    const refusal = pageRefusal(own, { isOpen: keys?.isClosed !== true, hosts });
    if (refusal !== undefined) return proceed(refusal);
    if (!isOpened || !isPreflight(raw)) return proceed();
    reply.hijack();
    answerPreflight(headers, reply.raw);
  });
}

/** Whether `cors` names the page that calls the API; tells it, and the caches, past Fastify, as receipts are answered. */
function opens(allowed: ReadonlySet<string>, { headers, url = "" }: IncomingMessage, answer: ServerResponse): boolean {
  if (!url.startsWith("/v1/")) return false;
  answer.setHeader("vary", "origin");
  const { origin } = headers;
  if (origin === undefined || !(allowed.has(origin) || allowed.has("*"))) return false;
  answer.setHeader("access-control-allow-origin", origin);
  answer.setHeader("access-control-expose-headers", exposed.join(", "));
  return true;
}

/** A link to the dashboard on another site's page. It opens the dashboard instead of that page, which learns nothing. */
function isVisit({ method, headers, url }: IncomingMessage): boolean {
  const isNavigation = headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
  return isNavigation && method === "GET" && pathOf({ url }) === "/";
}

function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === "OPTIONS" && headers["access-control-request-method"] !== undefined;
}

function answerPreflight(headers: IncomingHttpHeaders, answer: ServerResponse): void {
  answer.writeHead(204, {
    "access-control-allow-methods": "GET, HEAD, POST",
    "access-control-allow-headers": headers["access-control-request-headers"] ?? "",
    "access-control-max-age": String(preflightSeconds),
  });
  answer.end();
}
