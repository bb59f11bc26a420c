// Where a front request's times come from: fixed by its route, or read from what its sender sent.
import type { Placement, PlacementTexts } from "../../core/placement.ts";
import { placementOf } from "../placement.ts";
import { parameterError } from "../problem.ts";
import { valueIn, type KeyedCall, type SentValue, type ValueSource } from "./key-source.ts";

export type TimeSource =
  | ValueSource
  /** So long from the time of arrival. */
  | { readonly kind: "after"; readonly ms: number };

export interface TimeSources {
  readonly notBefore: TimeSource | undefined;
  readonly expires: TimeSource | undefined;
}

/**
 * When a request may begin; `now` is the store's. Undefined where the route names neither, or the sender sent none. Errors:
 * `bad-parameter` for what is neither time nor duration.
 */
export function placementIn({
  notBefore,
  expires,
}: TimeSources): (call: KeyedCall, now: number) => Placement | undefined {
  if (notBefore === undefined && expires === undefined) return () => undefined;
  const [readFrom, readUntil] = [readerOf("notBefore", notBefore), readerOf("expires", expires)];
  return (call, now) => {
    const sent = { notBefore: readFrom(call), expires: readUntil(call) };
    if (sent.notBefore === undefined && sent.expires === undefined) return undefined;
    return placementOf({ notBefore: sent.notBefore?.text, expires: sent.expires?.text }, now, (name, message) => {
      const { parameter, place } = sent[name] as SentValue;
      return parameterError(parameter, `the value of ${place} ${message}`);
    });
  };
}

function readerOf(
  name: keyof PlacementTexts,
  source: TimeSource | undefined,
): (call: KeyedCall) => SentValue | undefined {
  if (source === undefined) return () => undefined;
  if (source.kind !== "after") return valueIn(source.kind === "json" ? { ...source, isOptional: true } : source);
  const fixed = { parameter: name, place: `${name} of the route`, text: `${source.ms}ms` };
  return () => fixed;
}
