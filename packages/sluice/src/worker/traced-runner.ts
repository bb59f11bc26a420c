// Attempts as spans: what the request waited for, the run itself, and below it the call of the target. The handler and the
// target get the trace in the headers of the request.
import { SpanKind, SpanStatusCode, trace, ROOT_CONTEXT, type Span, type Tracer } from "@opentelemetry/api";
import type { Clock } from "../core/clock.ts";
import type { Delivery } from "../core/request.ts";
import { spanOptions } from "../telemetry/span-names.ts";
import { contextOf, headersIn, linksTo } from "../telemetry/trace-context.ts";
import type { AttemptEnd, RunOptions, Runner } from "./runner.ts";

export interface TracedRunnerOptions {
  readonly tracer: Tracer;
  /** The store's, as the time of acceptance is. */
  readonly clock: Clock;
  /** Where attempts are calls to a target. */
  readonly target?: URL | undefined;
}

export function tracedRunner(runner: Runner, { tracer, clock, target }: TracedRunnerOptions): Runner {
  return {
    async run(delivery, options): Promise<AttemptEnd> {
      const { request, attempt } = delivery;
      const sent = contextOf(request.headers);
      const about = { "messaging.message.id": request.id, "sluice.attempt": attempt };
      if (attempt === 1) {
        const waited = tracer.startSpan(
          `wait ${request.queue}`,
          { ...spanOptions("wait", request.queue), startTime: request.acceptedAt },
          sent,
        );
        waited.setAttributes(about).end(Math.max(clock.now(), request.acceptedAt));
      }
      const own = { ...spanOptions("process", request.queue), links: linksTo([sent]) };
      const span = tracer.startSpan(`process ${request.queue}`, own, sent).setAttributes(about);
      return ended(span, options, () => runIn(span, delivery, options));
    },
    close: () => runner.close(),
  };

  function runIn(span: Span, delivery: Delivery, options: RunOptions): Promise<AttemptEnd> {
    if (target === undefined) return runner.run(within(span, delivery), options);
    const attributes = {
      "http.request.method": "POST",
      "server.address": target.hostname,
      "server.port": Number(target.port) || (target.protocol === "https:" ? 443 : 80),
    };
    const call = tracer.startSpan("POST", { kind: SpanKind.CLIENT, attributes }, trace.setSpan(ROOT_CONTEXT, span));
    return ended(call, options, () => runner.run(within(call, delivery), options));
  }
}

function within(span: Span, { request, ...delivery }: Delivery): Delivery {
  return { ...delivery, request: { ...request, headers: headersIn(span, request.headers) } };
}

/** A run that is cut off has its end there, whenever it comes back. Nothing is said of a span after its end. */
async function ended(span: Span, { signal }: RunOptions, run: () => Promise<AttemptEnd>): Promise<AttemptEnd> {
  const cut = (): void => fail(span, "aborted");
  signal.addEventListener("abort", cut, { once: true });
  try {
    const end = await run();
    if (end.kind === "done") span.end();
    else fail(span, end.failure.code);
    return end;
  } catch (error) {
    fail(span, "internal");
    throw error;
  } finally {
    signal.removeEventListener("abort", cut);
  }
}

function fail(span: Span, code: string): void {
  if (!span.isRecording()) return;
  span.setAttribute("error.type", code).setStatus({ code: SpanStatusCode.ERROR }).end();
}
