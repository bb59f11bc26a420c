// A trace as it travels with a request: W3C Trace Context, in the two headers that are stored with it.
import { createTraceState, ROOT_CONTEXT, trace, type Context, type Link, type Span } from "@opentelemetry/api";

type Headers = Readonly<Record<string, string>> | undefined;

const traceparent = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/** The context in which a request was sent; the root where it came without one, or with one that does not parse. */
export function contextOf(headers: Headers): Context {
  const [, traceId, spanId, flags] = traceparent.exec(headers?.["traceparent"] ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT;
  const state = headers?.["tracestate"];
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & 1,
    isRemote: true,
    ...(state !== undefined && { traceState: createTraceState(state) }),
  });
}

/** The headers with the span in place of the one before it. */
export function headersIn(span: Span, headers: Headers): Readonly<Record<string, string>> {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  const { tracestate: _before, ...others } = headers ?? {};
  const state = traceState?.serialize();
  const flags = traceFlags.toString(16).padStart(2, "0");
  return { ...others, traceparent: `00-${traceId}-${spanId}-${flags}`, ...(state && { tracestate: state }) };
}

export function linksTo(contexts: readonly Context[]): Link[] {
  return contexts.flatMap((context) => {
    const spanContext = trace.getSpanContext(context);
    return spanContext === undefined ? [] : [{ context: spanContext }];
  });
}
