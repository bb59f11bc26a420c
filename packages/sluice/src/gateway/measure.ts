// Times every answer, by route and status: both are from short lists, whatever clients ask for.
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Histogram, Meter } from "../telemetry/meter.ts";
import type { App } from "./context.ts";

const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]);

/** Before the routes, so that it holds for them all. */
export function measureAnswers(app: App, meter: Meter): void {
  const histograms = new Map<string, Map<number, Histogram>>();
  app.addHook("onResponse", (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    const route = request.routeOptions.url ?? "";
    const method = methods.has(request.method) ? request.method : "_OTHER";
    const byStatus = innerOf(histograms, `${method} ${route}`);
    const status = reply.raw.statusCode;
    let histogram = byStatus.get(status);
    if (histogram === undefined) {
      histogram = meter.histogram("http.server.request.duration", {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": String(status),
      });
      byStatus.set(status, histogram);
    }
    histogram.record(reply.elapsedTime / 1_000);
    done();
  });
}

function innerOf(histograms: Map<string, Map<number, Histogram>>, name: string): Map<number, Histogram> {
  const known = histograms.get(name);
  if (known !== undefined) return known;
  const inner = new Map<number, Histogram>();
  histograms.set(name, inner);
  return inner;
}
