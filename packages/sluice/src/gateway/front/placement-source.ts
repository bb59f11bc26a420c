// What a front request asks for of its place in the backlog: fixed by its route, or read from what its sender sent.
import type { Placement, PlacementTexts } from "../../core/placement.ts";
import { placementOf } from "../placement.ts";
import { parameterError } from "../problem.ts";
import { valueIn, type KeyedCall, type SentValue, type ValueSource } from "./key-source.ts";

/** What the sender sent, or a text that holds for each request of the route. */
export type PlacementSource = ValueSource | { readonly kind: "fixed"; readonly text: string };

export type PlacementSources = Readonly<Record<keyof PlacementTexts, PlacementSource | undefined>>;

const placementNames = [
  "notBefore",
  "expires",
  "order",
  "group",
  "priority",
] as const satisfies readonly (keyof PlacementTexts)[];

type Reader = readonly [name: keyof PlacementTexts, read: (call: KeyedCall) => SentValue | undefined];

/**
 * What is asked for; `now` is the store's. Undefined where the route names no source, or the sender sent nothing there. Errors:
 * `bad-parameter` for what breaks the rule of its kind.
 */
export function placementIn(
  sources: Partial<PlacementSources>,
): (call: KeyedCall, now: number) => Placement | undefined {
  const readers = placementNames.flatMap((name): Reader[] => {
    const source = sources[name];
    return source === undefined ? [] : [[name, readerOf(name, source)]];
  });
  if (readers.length === 0) return () => undefined;
  return (call, now) => {
    const sent = new Map(readers.map(([name, read]) => [name, read(call)]));
    const texts = Object.fromEntries([...sent].map(([name, value]) => [name, value?.text]));
    if (Object.values(texts).every((text) => text === undefined)) return undefined;
    return placementOf(texts, now, (name, message) => {
      const { parameter, place } = sent.get(name) as SentValue;
      return parameterError(parameter, `the value of ${place} ${message}`);
    });
  };
}

function readerOf(name: keyof PlacementTexts, source: PlacementSource): (call: KeyedCall) => SentValue | undefined {
  if (source.kind !== "fixed") return valueIn(source.kind === "json" ? { ...source, isOptional: true } : source);
  const fixed = { parameter: name, place: `${name} of the route`, text: source.text };
  return () => fixed;
}
