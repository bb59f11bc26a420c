// What a sender asks for of its request's place in the backlog: in headers, or in the members of a batch's line.
import type { IncomingHttpHeaders } from "node:http";
import { parseIdempotencyKey } from "../core/idempotency-key.ts";
import { parsePlacement, placementNameRule, type Placement, type PlacementTexts } from "../core/placement.ts";
import type { SluiceError } from "../core/errors.ts";
import { parameterError } from "./problem.ts";

const headerNames = {
  notBefore: "Sluice-Not-Before",
  expires: "Sluice-Expires",
  order: "Sluice-Order",
  group: "Sluice-Group",
  priority: "Priority",
} as const;

/** The headers that say it for a request, or for those lines of a batch that do not. */
export const placementHeaders = Object.values(headerNames).map((name) => name.toLowerCase());

/** Undefined where a sender asks for nothing: that costs nothing more. Errors: `bad-parameter`, naming the header. */
export function placementTextsIn(headers: IncomingHttpHeaders): PlacementTexts | undefined {
  const priority = headers["priority"] === undefined ? undefined : urgencyIn(headers["priority"].toString());
  const [notBefore, expires] = [headers["sluice-not-before"], headers["sluice-expires"]];
  const [order, group] = [headers["sluice-order"], headers["sluice-group"]];
  if ((notBefore ?? expires ?? order ?? group ?? priority) === undefined) return undefined;
  return {
    notBefore: notBefore?.toString(),
    expires: expires?.toString(),
    order: order === undefined ? undefined : nameIn("order", order.toString()),
    group: group === undefined ? undefined : nameIn("group", group.toString()),
    priority,
  };
}

/** As an Idempotency-Key is written: a string in double quotes, or bare. */
function nameIn(name: "order" | "group", header: string): string {
  const found = parseIdempotencyKey(header);
  if (found !== undefined) return found;
  const shown = JSON.stringify(header.slice(0, 80));
  throw refuseHeader(name, `must be ${placementNameRule}, without spaces unless in double quotes, got ${shown}`);
}

/** RFC 9218: what does not parse is ignored, as is all but the urgency. */
function urgencyIn(header: string): string | undefined {
  let urgency: string | undefined;
  for (const member of header.split(",")) {
    const [, value] = /^ *u *= *([0-7])(?:;.*)? *$/.exec(member) ?? [];
    urgency = value ?? urgency;
  }
  return urgency;
}

export type Refusal = (name: keyof PlacementTexts, message: string) => SluiceError;

/** `now` is the store's. Errors: what `refuse` makes of the rule and the value. */
export function placementOf(texts: PlacementTexts | undefined, now: number, refuse: Refusal): Placement | undefined {
  if (texts === undefined) return undefined;
  const read = parsePlacement(texts, now);
  if (read.kind === "refused") throw refuse(read.name, read.message);
  return read.placement;
}

/** Errors: `bad-parameter`, naming the header. */
export function refuseHeader(name: keyof PlacementTexts, message: string): SluiceError {
  return parameterError(headerNames[name].toLowerCase(), `${headerNames[name]} ${message}`);
}
