// Bytes cross between threads in one buffer for each message, which changes hands without a copy. Bodies in
// buffers of their own would cost an allocation each on both sides, and views would drag whole pools along.
import { resultOf, type Delivery, type Outcome } from "../../core/request.ts";
import type { WriterCall } from "./calls.ts";

export interface Packed<Value> {
  readonly value: Value;
  readonly transfer: readonly ArrayBuffer[];
}

export function packCalls(calls: readonly WriterCall[]): Packed<readonly WriterCall[]> {
  let size = 0;
  for (const call of calls) size += bytesIn(call);
  if (size === 0) return { value: calls, transfer: [] };
  const pack = new Pack(size);
  return { value: calls.map((call) => packCall(call, pack)), transfer: [pack.buffer] };
}

export function packDeliveries(deliveries: readonly Delivery[]): Packed<readonly Delivery[]> {
  let size = 0;
  for (const { request } of deliveries) size += request.body.byteLength;
  const pack = new Pack(size);
  const value = deliveries.map((delivery) => ({
    ...delivery,
    request: { ...delivery.request, body: pack.add(delivery.request.body) },
  }));
  return { value, transfer: [pack.buffer] };
}

function bytesIn(call: WriterCall): number {
  if (call.verb === "settle") return resultOf(call.outcome)?.bytes.byteLength ?? 0;
  if (call.verb !== "accept") return 0;
  return call.requests.reduce((sum, { body }) => sum + body.byteLength, 0);
}

function packCall(call: WriterCall, pack: Pack): WriterCall {
  if (call.verb === "accept") {
    return { ...call, requests: call.requests.map((request) => ({ ...request, body: pack.add(request.body) })) };
  }
  return call.verb === "settle" ? { ...call, outcome: packOutcome(call.outcome, pack) } : call;
}

function packOutcome(outcome: Outcome, pack: Pack): Outcome {
  const result = resultOf(outcome);
  if (result === undefined) return outcome;
  const packed = { ...result, bytes: pack.add(result.bytes) };
  return outcome.kind === "done" ? { ...outcome, result: packed } : { ...outcome, response: packed };
}

class Pack {
  readonly buffer: ArrayBuffer;
  #used = 0;

  constructor(size: number) {
    this.buffer = new ArrayBuffer(size);
  }

  add(bytes: Uint8Array): Uint8Array {
    const view = new Uint8Array(this.buffer, this.#used, bytes.byteLength);
    view.set(bytes);
    this.#used += bytes.byteLength;
    return view;
  }
}
