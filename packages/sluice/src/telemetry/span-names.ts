// Every span by name, by OpenTelemetry's conventions for messaging. No span holds a body, a key, an address' credentials
// or the words of an error, which may quote any of them.
import { SpanKind, type Attributes } from "@opentelemetry/api";

export const spans = {
  /** A client's requests, until they are durable. */
  accept: { kind: SpanKind.PRODUCER, type: "send" },
  /** From acceptance to the begin of the first attempt. */
  wait: { kind: SpanKind.INTERNAL, type: undefined },
  /** A claim of deliveries, linked to what was claimed. */
  deliver: { kind: SpanKind.CLIENT, type: "receive" },
  /** An attempt: the handler's run, or the target's answer. */
  process: { kind: SpanKind.CONSUMER, type: "process" },
  /** An outcome, until it is durable. */
  settle: { kind: SpanKind.CLIENT, type: "settle" },
  /** A delivery, until it is put back. */
  retry: { kind: SpanKind.CLIENT, type: "settle" },
  /** A handler and its outcome in one transaction, until that is durable or undone. */
  transact: { kind: SpanKind.CLIENT, type: "settle" },
} as const;

export type SpanName = keyof typeof spans;

export function spanOptions(
  name: SpanName,
  queue: string,
): { readonly kind: SpanKind; readonly attributes: Attributes } {
  const { kind, type } = spans[name];
  const attributes = {
    "messaging.system": "sluice",
    "messaging.destination.name": queue,
    "messaging.operation.name": name,
    ...(type !== undefined && { "messaging.operation.type": type }),
  };
  return { kind, attributes };
}
