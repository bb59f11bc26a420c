// When a request may begin and when it expires, as its sender says it: in headers, or in the members of a batch's line.
import type { IncomingHttpHeaders } from "node:http";
import { parsePlacement, type Placement, type PlacementTexts } from "../core/placement.ts";
import type { SluiceError } from "../core/errors.ts";
import { parameterError } from "./problem.ts";

const headerNames = { notBefore: "Sluice-Not-Before", expires: "Sluice-Expires" } as const;

/** The headers that say it for a request, or for those lines of a batch that do not. */
export const placementHeaders = Object.values(headerNames).map((name) => name.toLowerCase());

/** Undefined where a sender asks for nothing: that costs nothing more. */
export function timesIn(headers: IncomingHttpHeaders): PlacementTexts | undefined {
  const [notBefore, expires] = [headers["sluice-not-before"], headers["sluice-expires"]];
  if (notBefore === undefined && expires === undefined) return undefined;
  return { notBefore: notBefore?.toString(), expires: expires?.toString() };
}

export type Refusal = (name: keyof PlacementTexts, message: string) => SluiceError;

/** `now` is the store's. Errors: what `refuse` makes of the rule and the value. */
export function placementOf(times: PlacementTexts | undefined, now: number, refuse: Refusal): Placement | undefined {
  if (times === undefined) return undefined;
  const read = parsePlacement(times, now);
  if (read.kind === "refused") throw refuse(read.name, read.message);
  return read.placement;
}

/** Errors: `bad-parameter`, naming the header. */
export function refuseHeader(name: keyof PlacementTexts, message: string): SluiceError {
  return parameterError(headerNames[name].toLowerCase(), `${headerNames[name]} ${message}`);
}
