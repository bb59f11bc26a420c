// Refuses what a route does not have: a misspelt query parameter or `Sluice-*` header that was ignored would seem to have worked.
import type { IncomingHttpHeaders } from "node:http";
import type { onRequestHookHandler } from "fastify";
import type { App } from "./context.ts";
import { parameterError } from "./problem.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The query parameters and `Sluice-*` headers, in small letters, that the route has. */
    has?: {
      readonly query?: readonly string[];
      readonly headers?: readonly string[];
      /** Of headers whose names go on as the sender likes. */
      readonly headersPrefix?: string;
    };
  }
}

/** What a worker adds to each attempt: its target can be another Sluice. */
const ofAttempts = ["sluice-request-id", "sluice-attempt"];

/**
 * After the gate, before the routes. Probes and pages, which anybody may call, take whatever a load balancer or a link adds:
 * nothing there depends on it.
 */
export function addParameterCheck(app: App): void {
  app.addHook("onRoute", (route) => {
    if (route.config?.access?.kind === "public") return;
    const { query = [], headers = [], headersPrefix } = route.config?.has ?? {};
    const [parameters, ours] = [new Set(query), new Set([...headers, ...ofAttempts])];
    const check: onRequestHookHandler = (request, _reply, proceed) => {
      checkQuery(request.query as object, parameters);
      checkHeaders(request.raw.headers, ours, headersPrefix);
      proceed();
    };
    route.onRequest = [route.onRequest ?? [], check].flat();
  });
}

function checkQuery(query: object, known: ReadonlySet<string>): void {
  for (const name in query) {
    if (!known.has(name)) throw parameterError(name, `${shown(name)} is not a query parameter of this route`);
  }
}

function checkHeaders(headers: IncomingHttpHeaders, known: ReadonlySet<string>, prefix?: string): void {
  for (const name in headers) {
    if (!name.startsWith("sluice-") || known.has(name) || (prefix !== undefined && name.startsWith(prefix))) continue;
    throw parameterError(name, `${shown(name)} is not a header of this route`);
  }
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 80));
}
