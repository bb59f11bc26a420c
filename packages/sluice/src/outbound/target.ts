// Service B as it is to be called: by the worker for what is stored, and by the front for what passes through.
import { SluiceError } from "../core/errors.ts";
import { hopByHopNames, type HeaderRule } from "../core/header-names.ts";
import type { WebhookSecret } from "../core/webhook-signature.ts";
import type { AddressRule } from "./address-rule.ts";
import type { TlsOptions } from "./guarded-agent.ts";

export interface Target {
  readonly url: URL;
  readonly rule: AddressRule;
  readonly tls: TlsOptions | undefined;
  /** Of each call. */
  readonly method: string | undefined;
  /** Whether a request that kept its method and path makes the same call: the path is appended to that of the URL. */
  readonly appendsPath: boolean;
  /** Set on each call. They are secrets. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the headers kept with a request, those that go along. */
  readonly forwards: HeaderRule;
  /** Sign each call. */
  readonly secrets: readonly WebhookSecret[];
  readonly endOf: (status: number) => TargetEnd;
  /** Which headers of a response are kept; unless given all of the response to a request that came over the front, and none else. */
  readonly keepsHeader: HeaderRule | undefined;
}

/** A URL of which nothing more is said. One that is an origin alone has no place of its own: a request goes to where it was sent. */
export function plainTarget(url: URL, rule: AddressRule): Target {
  return {
    url,
    rule,
    tls: undefined,
    method: undefined,
    appendsPath: url.pathname === "/" && url.search === "",
    headers: {},
    forwards: () => true,
    secrets: [],
    endOf: usualEndOf,
    keepsHeader: undefined,
  };
}

/** What a status makes of an attempt. */
export type TargetEnd = "done" | "retry" | "dead";

/** Below 500 only with these may another attempt go well. */
const retryableStatuses: ReadonlySet<number> = new Set([408, 425, 429]);

export function usualEndOf(status: number): TargetEnd {
  if (status >= 200 && status <= 299) return "done";
  return status >= 500 || retryableStatuses.has(status) ? "retry" : "dead";
}

export interface Sent {
  readonly method?: string | undefined;
  readonly path?: string | undefined;
}

/** How a target is called for a request. Errors: `unsendable`, for a path that leads out of the target's own. */
export function placeOf({ url, method, appendsPath }: Target, sent: Sent): { method: string; path: string } {
  const own = `${url.pathname}${url.search}`;
  if (!appendsPath || sent.path === undefined) return { method: method ?? "POST", path: own };
  return { method: method ?? sent.method ?? "POST", path: appendedPath(url, sent.path) };
}

/** As it was sent, byte for byte, below the path of the URL. */
function appendedPath({ pathname, search }: URL, path: string): string {
  const [sentPath = "", ...query] = path.split("?");
  if (!path.startsWith("/") || hasDotSegment(sentPath))
    throw new SluiceError("unsendable", "the path of the request leads out of the path of the target");
  const below = pathname.endsWith("/") ? pathname.slice(0, -1) : pathname;
  const queries = [search.slice(1), query.join("?")].filter((text) => text !== "");
  return `${below}${sentPath}${queries.length === 0 ? "" : `?${queries.join("&")}`}`;
}

/** Servers take `%2e` for a dot, and some a backslash for a slash. */
function hasDotSegment(path: string): boolean {
  return /(?:^|[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:$|[/\\;]|%2f|%5c)/i.test(path);
}

/** Fields of a response that say how its body came, which is kept without that. */
const framingNames: ReadonlySet<string> = new Set(["content-type", "content-length", "content-encoding"]);

/** Whether a field of a response is about what it says, and not about the connection or the way that its body came. */
export function isAboutContent(name: string): boolean {
  return !hopByHopNames.has(name) && !framingNames.has(name);
}
