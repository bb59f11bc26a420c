// What a store keeps of an HTTP message beside its body, as one JSON text: the header fields, and what the start line said under
// the names that HTTP/2 gives it. A field name has no colon, so that no sender can write one of those.

import type { Placement } from "./placement.ts";

/** What was sent beside the body: how much of it is kept depends on the way that the request came. */
export interface RequestHead {
  /** What the sender asked for of its place in the backlog. */
  readonly placement?: Placement | undefined;
  /** Undefined unless the request came over the front, or was moved here from there. */
  readonly method?: string | undefined;
  /** With the query, as it was sent. */
  readonly path?: string | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
}

/** What came back beside the body, from a target. */
export interface ResponseHead {
  readonly status?: number | undefined;
  /** A field that may come several times, such as Set-Cookie, has a list. */
  readonly headers?: ResponseHeaders | undefined;
}

export type ResponseHeaders = Readonly<Record<string, string | readonly string[]>>;

const method = ":method";
const path = ":path";
const notBefore = ":not-before";
/** Of a head that says when its request expires. */
export const expiresField = ":expires";
/** Of a head with an order key. */
export const orderField = ":order";
const group = ":group";
const urgency = ":urgency";
const status = ":status";

const noHead: RequestHead = { headers: undefined };

/** Undefined where there is nothing to keep: most requests cost no more than before. */
export function requestHeadText(head: RequestHead): string | undefined {
  const { placement, headers } = head;
  if (head.method === undefined && head.path === undefined && placement === undefined)
    return headers === undefined ? undefined : JSON.stringify(headers);
  return JSON.stringify({
    [method]: head.method,
    [path]: head.path,
    [notBefore]: placement?.notBefore,
    [expiresField]: placement?.expiresAt,
    [orderField]: placement?.order,
    [group]: placement?.group,
    [urgency]: placement?.urgency,
    ...headers,
  });
}

/** Throws a SyntaxError for a text that is damaged. */
export function readRequestHead(text: string | null): RequestHead {
  if (text === null) return noHead;
  const fields = JSON.parse(text) as Readonly<Record<string, string>>;
  if (!text.startsWith('{":')) return { headers: fields };
  const { [method]: sentMethod, [path]: sentPath, ...rest } = fields;
  const {
    [notBefore]: from,
    [expiresField]: until,
    [orderField]: key,
    [group]: name,
    [urgency]: level,
    ...headers
  } = rest;
  const head = { method: sentMethod, path: sentPath, headers };
  if ((from ?? until ?? key ?? name ?? level) === undefined) return head;
  const times = { notBefore: numberOf(from), expiresAt: numberOf(until) };
  return { ...head, placement: { ...times, order: key, group: name, urgency: numberOf(level) } };
}

function numberOf(value: string | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

/** Undefined where there is nothing to keep. */
export function responseHeadText(head: ResponseHead): string | undefined {
  if (head.status === undefined && head.headers === undefined) return undefined;
  return JSON.stringify({ [status]: head.status, ...head.headers });
}

/** Throws a SyntaxError for a text that is damaged. */
export function readResponseHead(text: string | null): ResponseHead {
  if (text === null) return {};
  const { [status]: sentStatus, ...headers } = JSON.parse(text) as Record<string, unknown>;
  return { status: sentStatus as number | undefined, headers: headers as ResponseHeaders };
}
