// An engine whose calls are spans. The span of a request's acceptance is stored with it, so that its attempts, in whatever
// process and whenever, belong to the same trace.
import { SpanStatusCode, type Context, type Span, type Tracer } from "@opentelemetry/api";
import { SluiceError } from "../core/errors.ts";
import type { Claim, NewRequest, Outcome } from "../core/request.ts";
import { spanOptions } from "../telemetry/span-names.ts";
import { contextOf, headersIn, linksTo } from "../telemetry/trace-context.ts";
import type { AcceptResult, DeliverOptions, Engine, RetryOptions, TransactedWork } from "./engine.ts";

/** Claims whose trace is kept for their settling (I7): of any more it begins anew. */
const claimsMax = 10_000;

/** The same engine, whose verbs are its own properties, as of one that is measured. */
export function traced(engine: Engine, tracer: Tracer): Engine {
  const contexts = new Map<number, Context>();
  const { transact } = engine;
  return {
    ...engine,
    async accept(requests: readonly NewRequest[]) {
      const [first] = requests;
      if (first === undefined) return engine.accept(requests);
      const span = tracer.startSpan(
        `accept ${first.queue}`,
        spanOptions("accept", first.queue),
        contextOf(first.headers),
      );
      span.setAttribute("messaging.batch.message_count", requests.length);
      const own = requests.map((request) => ({ ...request, headers: headersIn(span, request.headers) }));
      return within(span, async () => {
        const result = await engine.accept(own);
        noteAccepted(span, result);
        return result;
      });
    },
    async deliver(options: DeliverOptions) {
      const startTime = new Date();
      const deliveries = await engine.deliver(options);
      if (deliveries.length === 0) return deliveries;
      const sent = deliveries.map(({ request }) => contextOf(request.headers));
      const { queue } = options;
      const span = tracer.startSpan(`deliver ${queue}`, {
        ...spanOptions("deliver", queue),
        startTime,
        links: linksTo(sent),
      });
      span.setAttribute("messaging.batch.message_count", deliveries.length).end();
      for (const [place, { claim }] of deliveries.entries())
        if (contexts.size < claimsMax) contexts.set(claim.token, sent[place] as Context);
      return deliveries;
    },
    settle: (claim: Claim, outcome: Outcome) => concluded("settle", claim, () => engine.settle(claim, outcome)),
    retry: (claim: Claim, options: RetryOptions) => concluded("retry", claim, () => engine.retry(claim, options)),
    ...(transact && {
      transact: (claim: Claim, work: TransactedWork) => concluded("transact", claim, () => transact(claim, work)),
    }),
  };

  async function concluded<Result>(
    verb: "settle" | "retry" | "transact",
    claim: Claim,
    call: () => Promise<Result>,
  ): Promise<Result> {
    const { queue, id, token } = claim;
    const span = tracer.startSpan(`${verb} ${queue}`, spanOptions(verb, queue), contexts.get(token));
    span.setAttribute("messaging.message.id", id);
    return within(span, async () => {
      const result = await call();
      if (result !== "rolled-back") contexts.delete(token); // else the delivery is still to be put back
      return result;
    });
  }
}

async function within<Result>(span: Span, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    fail(span, error instanceof SluiceError ? error.code : "internal");
    throw error;
  } finally {
    span.end();
  }
}

function noteAccepted(span: Span, result: AcceptResult): void {
  if (result.kind !== "accepted") return fail(span, result.kind);
  const [receipt, ...others] = result.receipts;
  if (receipt !== undefined && others.length === 0) span.setAttribute("messaging.message.id", receipt.id);
}

function fail(span: Span, code: string): void {
  span.setAttribute("error.type", code).setStatus({ code: SpanStatusCode.ERROR });
}
