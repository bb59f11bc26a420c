// The part of the address after #: which view is shown. The server knows of none of them.
import type { WireState } from "@sluice/client";

export const states = [
  "waiting",
  "scheduled",
  "running",
  "done",
  "dead",
  "cancelled",
] as const satisfies readonly WireState[];

export type Route =
  | { readonly kind: "overview" }
  | { readonly kind: "queue"; readonly queue: string; readonly state: WireState | undefined }
  | { readonly kind: "request"; readonly id: string }
  | { readonly kind: "key"; readonly key: string };

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [room, name] = path.split("/").map(decoded);
  const parameters = new URLSearchParams(query);
  if (room === "queues" && name) return { kind: "queue", queue: name, state: parseState(parameters.get("state")) };
  if (room === "requests" && name) return { kind: "request", id: name };
  const key = parameters.get("key");
  if (room === "requests" && key) return { kind: "key", key };
  return { kind: "overview" };
}

export function hashOf(route: Route): string {
  switch (route.kind) {
    case "overview":
      return "#/";
    case "queue":
      return `#/queues/${encodeURIComponent(route.queue)}${route.state === undefined ? "" : `?state=${route.state}`}`;
    case "request":
      return `#/requests/${encodeURIComponent(route.id)}`;
    case "key":
      return `#/requests?${new URLSearchParams({ key: route.key }).toString()}`;
    default:
      return route satisfies never;
  }
}

const idPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** What was typed is an id, or else a key; undefined for nothing at all. */
export function routeOfSearch(text: string): Route | undefined {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  return idPattern.test(trimmed) ? { kind: "request", id: trimmed.toLowerCase() } : { kind: "key", key: trimmed };
}

function parseState(text: string | null): WireState | undefined {
  return states.find((state) => state === text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by hand: no name has a bare percent sign, so it is found nowhere
  }
}
