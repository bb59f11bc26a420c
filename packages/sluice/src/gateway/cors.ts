// Lets the pages of other origins call the API from a browser, where that is set; by default no page but the gateway's own can
// read an answer. Credentials are no part of it: a key is shown as a header, by whoever has it.
import type { IncomingHttpHeaders } from "node:http";
import type { App } from "./context.ts";

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

/** Before the routes and the gate: browsers ask beforehand, without a key. `"*"` among the origins is any. */
export function addCors(app: App, origins: readonly string[]): void {
  const allowed = new Set(origins);
  app.addHook("onRequest", ({ raw: { headers, method = "", url = "" } }, reply, proceed) => {
    const { origin } = headers;
    if (!url.startsWith("/v1/")) return proceed();
    const { raw } = reply; // receipts are answered past Fastify
    raw.setHeader("vary", "origin");
    if (origin === undefined || !(allowed.has(origin) || allowed.has("*"))) return proceed();
    raw.setHeader("access-control-allow-origin", origin);
    if (!isPreflight(method, headers)) {
      raw.setHeader("access-control-expose-headers", exposed.join(", "));
      return proceed();
    }
    reply.hijack();
    raw.writeHead(204, {
      "access-control-allow-methods": "GET, HEAD, POST",
      "access-control-allow-headers": headers["access-control-request-headers"] ?? "",
      "access-control-max-age": String(preflightSeconds),
    });
    raw.end();
  });
}

function isPreflight(method: string, headers: IncomingHttpHeaders): boolean {
  return method === "OPTIONS" && headers["access-control-request-method"] !== undefined;
}
