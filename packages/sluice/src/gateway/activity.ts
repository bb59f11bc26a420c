// GET /v1/activity: the activity log as the store keeps it, newest first.
import type { KeptActivity } from "../core/activity.ts";
import { SluiceError } from "../core/errors.ts";
import type { App, GatewayContext } from "./context.ts";
import { pageParameters, parsePageQuery } from "./list-query.ts";
import { timeText } from "./time-text.ts";

/** Before the routes: what is refused on any of them is told too. */
export function addActivityHook(app: App, { activity }: GatewayContext): void {
  app.addHook("onError", (request, _reply, error, proceed) => {
    if (error instanceof SluiceError && refusals.has(error.code)) activity.refused(request, error);
    proceed();
  });
}

const refusals: ReadonlySet<string> = new Set([
  "unauthorized",
  "forbidden",
  "rate-limited",
  "keys-unreadable",
  "host-refused",
  "origin-refused",
]);

export function addActivityRoute(app: App, { engine, limits, longReads }: GatewayContext): void {
  app.get("/v1/activity", { config: { has: { query: pageParameters } } }, async (request) => {
    const { limit, before } = parsePageQuery(request.query, limits.listLimitMax);
    // One more than the page holds tells whether there is another page.
    const found = await longReads.inTurn(request, () => engine.listActivity({ limit: limit + 1, before }));
    const page = found.slice(0, limit);
    return { activity: page.map(viewOf), nextCursor: found.length > limit ? String(page.at(-1)?.no) : null };
  });
}

function viewOf({ at, what, about, requests, key, sender, address }: KeptActivity) {
  return {
    at: timeText(at),
    what,
    about,
    requests: requests ?? null,
    key: key ?? null,
    sender: sender ?? null,
    address: address ?? null,
  };
}
