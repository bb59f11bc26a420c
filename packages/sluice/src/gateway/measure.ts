// Times every answer, by route and status: both are from short lists, whatever clients ask for. Done without a hook and a
// listener for each answer, which took a twentieth of the intake.
import { ServerResponse, type IncomingMessage } from "node:http";
import type { onRequestHookHandler } from "fastify";
import type { Histogram, Meter } from "../telemetry/meter.ts";
import type { App } from "./context.ts";

/** The answers of one method and route. */
class AnswerTimes {
  readonly #meter: Meter;
  readonly #method: string;
  readonly #route: string;
  readonly #byStatus = new Map<number, Histogram>();

  constructor(meter: Meter, method: string, route: string) {
    this.#meter = meter;
    this.#method = method;
    this.#route = route;
  }

  record(status: number, durationMs: number): void {
    const histogram = this.#byStatus.get(status) ?? this.#open(status);
    histogram.record(durationMs / 1_000);
  }

  #open(status: number): Histogram {
    const histogram = this.#meter.histogram("http.server.request.duration", {
      "http.request.method": this.#method,
      "http.route": this.#route,
      "http.response.status_code": String(status),
    });
    this.#byStatus.set(status, histogram);
    return histogram;
  }
}

const methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];

interface Timed {
  /** Of its route, once that is known; undefined once it is told. */
  times: AnswerTimes | undefined;
}

/** Under which times the answers to a method are told. */
export type RouteTimes = (method: string) => AnswerTimes;

/** For a route that is none of Fastify's. */
export function routeTimes(meter: Meter, route: string): RouteTimes {
  const byMethod = new Map(methods.map((method) => [method, new AnswerTimes(meter, method, route)]));
  const other = new AnswerTimes(meter, "_OTHER", route);
  return (method) => byMethod.get(method) ?? other;
}

export function timeUnder(answer: ServerResponse, times: AnswerTimes): void {
  (answer as unknown as Timed).times = times;
}

/** What the gateway's servers make their answers of: timed from the head of their request until all is handed to the connection. */
export function timedResponses(meter: Meter): typeof ServerResponse {
  const unrouted = routeTimes(meter, "");

  return class<Request extends IncomingMessage> extends ServerResponse<Request> implements Timed {
    readonly startedAt = performance.now();
    times: AnswerTimes | undefined;

    constructor(request: Request) {
      super(request);
      this.times = unrouted(request.method ?? "");
    }

    override end(chunk?: unknown, encoding?: unknown, onEnd?: unknown): this {
      this.times?.record(this.statusCode, performance.now() - this.startedAt);
      this.times = undefined;
      return super.end(chunk, encoding as BufferEncoding, onEnd as () => void);
    }
  };
}

/** Before the routes and every other hook of theirs, so that each answer is told under its route. */
export function nameRoutes(app: App, meter: Meter): void {
  app.addHook("onRoute", (route) => {
    const times = new AnswerTimes(meter, String(route.method), route.url);
    const name: onRequestHookHandler = (_request, { raw }, proceed) => {
      timeUnder(raw, times);
      proceed();
    };
    route.onRequest = [name]; // in place of those of its GET, which a HEAD route comes with
  });
}
