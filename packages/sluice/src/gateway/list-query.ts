// The query of GET /v1/requests, parsed from its text: a validator's coercion would let `Infinity` and `1e2` through as numbers.
import type { SluiceError } from "../core/errors.ts";
import { isIdempotencyKey } from "../core/idempotency-key.ts";
import type { RequestId } from "../core/request-id.ts";
import { states } from "../core/request.ts";
import type { State } from "../core/request.ts";
import { parseCursor } from "./cursor.ts";
import { parameterError } from "./problem.ts";

export const listLimitDefault = 100;

export interface ListQuery {
  readonly queue: string | undefined;
  readonly state: State | undefined;
  readonly key: string | undefined;
  readonly limit: number;
  readonly before: RequestId | undefined;
}

/** Errors: `bad-parameter`, naming the parameter and its rule. */
export function parseListQuery(query: unknown, limitMax: number): ListQuery {
  const texts = textsOf(query);
  const { queue, state, key, limit, cursor } = texts;
  return {
    queue,
    state: state === undefined ? undefined : parseState(state),
    key: key === undefined ? undefined : parseKey(key),
    limit: limit === undefined ? Math.min(listLimitDefault, limitMax) : parseLimit(limit, limitMax),
    before: cursor === undefined ? undefined : parsePlace(cursor),
  };
}

export interface PageQuery {
  readonly limit: number;
  readonly before: number | undefined;
}

/** Of a list whose rows have numbers. Errors: as above. */
export function parsePageQuery(query: unknown, limitMax: number): PageQuery {
  const { limit, cursor } = textsOf(query);
  if (cursor !== undefined && !/^[1-9][0-9]{0,14}$/.test(cursor)) throw badCursor();
  return {
    limit: limit === undefined ? Math.min(listLimitDefault, limitMax) : parseLimit(limit, limitMax),
    before: cursor === undefined ? undefined : Number(cursor),
  };
}

/** Others were refused before. */
export const listParameters = ["queue", "state", "key", "limit", "cursor"] as const;
export const pageParameters = ["limit", "cursor"] as const;
type Texts = Partial<Record<(typeof listParameters)[number], string>>;

/** What was given, each parameter once. */
function textsOf(query: unknown): Texts {
  const texts = Object.entries(query as Readonly<Record<string, string | readonly string[]>>);
  for (const [name, text] of texts) {
    if (typeof text !== "string") throw parameterError(name, `${name} may be given once`);
  }
  return Object.fromEntries(texts);
}

function parseState(text: string): State {
  const state = states.find((name) => name === text);
  if (state === undefined) throw parameterError("state", `state must be one of ${states.join(", ")}`);
  return state;
}

function parseKey(text: string): string {
  if (!isIdempotencyKey(text)) throw parameterError("key", "key must be 1 to 255 visible ASCII characters");
  return text;
}

export function parseLimit(text: string, most: number): number {
  const limit = /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : Number.NaN;
  if (limit <= most) return limit;
  throw parameterError("limit", `limit must be an integer from 1 to ${most}`);
}

function parsePlace(text: string): RequestId {
  const before = parseCursor(text);
  if (before === undefined) throw badCursor();
  return before;
}

function badCursor(): SluiceError {
  return parameterError("cursor", "cursor must be the nextCursor of a page");
}
