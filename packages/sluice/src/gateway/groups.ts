// The routes of a queue's groups, and of its order keys that are held.
import { parseRate } from "../core/duration.ts";
import { SluiceError } from "../core/errors.ts";
import { groupSettingsOf, type GroupOverride, type GroupStatus, type HeldOrder } from "../core/line-settings.ts";
import { isPlacementName, placementNameRule } from "../core/placement.ts";
import { assertStillAllowed } from "./access/still-allowed.ts";
import { checkCoding, discardBody, readIn } from "./body.ts";
import { configuredQueue } from "./context.ts";
import type { App, GatewayContext, IntakeQueue, OfQueue } from "./context.ts";
import { parseJson } from "./json.ts";
import { parseLimit } from "./list-query.ts";
import { parameterError } from "./problem.ts";
import { timeText } from "./time-text.ts";

const settingsBound = { bytesMax: 16 * 1024, code: "body-too-large" } as const;
const limitDefault = 100;
const limitMax = 1_000;

interface OfGroup {
  Params: { readonly queue: string; readonly group: string };
}

interface OfOrder {
  Params: { readonly queue: string; readonly order: string };
}

export function addGroupRoutes(app: App, context: GatewayContext): void {
  const ofList = { config: { has: { query: ["limit"] } } };
  app.get<OfQueue>("/v1/queues/:queue/groups", ofList, async (request) => {
    const queue = configuredQueue(context, request.params.queue);
    const groups = await context.engine.lines.groups(queue.name, limitOf(request.query));
    return { groups: groups.map((group) => groupView(queue, group)) };
  });

  app.put<OfGroup>("/v1/queues/:queue/groups/:group", async (request) => {
    const queue = configuredQueue(context, request.params.queue);
    const group = named("group", request.params.group);
    checkCoding(request.raw.headers);
    const override = parseSettings(await readIn(context.bodyRoom, request.raw, settingsBound));
    assertStillAllowed(context, request); // the body may have taken its time
    await setGroup(context, queue.name, { group, override });
    await context.activity.note(request, { what: "group-set", about: `${queue.name} ${group}` });
    return groupView(queue, await statusOf(context, queue.name, group));
  });

  for (const [verb, isPaused] of [
    ["pause", true],
    ["resume", false],
  ] as const)
    app.post<OfGroup>(`/v1/queues/:queue/groups/:group/${verb}`, async (request) => {
      discardBody(request.raw);
      const queue = configuredQueue(context, request.params.queue);
      const group = named("group", request.params.group);
      await context.engine.lines.pauseGroup(queue.name, group, isPaused);
      await context.activity.note(request, { what: "group-set", about: `${queue.name} ${group}` });
      return groupView(queue, await statusOf(context, queue.name, group));
    });

  app.get<OfQueue>("/v1/queues/:queue/orders", ofList, async (request) => {
    const { name } = configuredQueue(context, request.params.queue);
    const held = await context.engine.lines.heldOrders(name, limitOf(request.query));
    return { orders: held.map(orderView) };
  });

  app.post<OfOrder>("/v1/queues/:queue/orders/:order/release", async (request) => {
    discardBody(request.raw);
    const { name } = configuredQueue(context, request.params.queue);
    const order = named("order", request.params.order);
    const isReleased = await context.engine.lines.releaseOrder(name, order);
    if (isReleased) await context.activity.note(request, { what: "order-released", about: `${name} ${order}` });
    return { order, released: isReleased };
  });
}

async function setGroup(
  { engine }: GatewayContext,
  queue: string,
  { group, override }: { readonly group: string; readonly override: GroupOverride },
): Promise<void> {
  const isSet = Object.values(override).some((value) => value !== undefined);
  await engine.lines.setGroup(queue, group, isSet ? override : undefined);
}

async function statusOf({ engine }: GatewayContext, queue: string, group: string): Promise<GroupStatus> {
  const groups = await engine.lines.groups(queue, Number.MAX_SAFE_INTEGER);
  return groups.find((one) => one.group === group) ?? { group, backlog: 0, inFlight: 0 };
}

function named(what: string, name: string): string {
  if (isPlacementName(name)) return name;
  throw parameterError(what, `the name of ${what === "group" ? "a group" : "an order key"} is ${placementNameRule}`);
}

function limitOf(query: unknown): number {
  const { limit } = query as { readonly limit?: unknown };
  if (limit === undefined) return limitDefault;
  if (typeof limit !== "string") throw parameterError("limit", "limit may be given once");
  return parseLimit(limit, limitMax);
}

function groupView({ lines }: IntakeQueue, { group, backlog, inFlight, ...override }: GroupStatus) {
  const { weight, concurrency, ratePerHour, backlogMax, isPaused } = groupSettingsOf(lines, group, override);
  const limits = { concurrency: concurrency ?? null, ratePerHour: ratePerHour ?? null, backlogMax: backlogMax ?? null };
  return { name: group, backlog, inFlight, weight, ...limits, paused: isPaused };
}

function orderView({ order, by, since, waiting }: HeldOrder) {
  return { order, heldBy: by, heldSince: timeText(since), waiting };
}

/** All that is said of a group; what is not named is as the queue says. */
function parseSettings(bytes: Buffer): GroupOverride {
  const parsed = parseJson(bytes);
  if (parsed.kind !== "json") throw new SluiceError("bad-request", `the body must be JSON: ${parsed.message}`);
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new SluiceError("bad-request", "the body must be a JSON object");
  for (const [name, given] of Object.entries(value)) {
    if (!Object.hasOwn(rules, name)) throw parameterError(name, `${name} is not a setting of a group`);
    const { fits, rule } = rules[name as keyof typeof rules];
    if (given !== null && !fits(given)) throw parameterError(name, `${name} must be ${rule}, or null`);
  }
  const { weight, concurrency, rate, backlogMax, paused } = value as Readonly<Record<string, never>>;
  return {
    weight: weight ?? undefined,
    concurrency: concurrency ?? undefined,
    ratePerHour: (rate ?? undefined) === undefined ? undefined : ratePerHourOf(rate),
    backlogMax: backlogMax ?? undefined,
    isPaused: paused ?? undefined,
  };
}

interface Rule {
  readonly rule: string;
  readonly fits: (given: unknown) => boolean;
}

const perHourMax = 3_600_000_000;

const rules = {
  weight: { rule: "a number from 0.001 to 1000", fits: (given) => isBetween(given, 0.001, 1_000) },
  concurrency: { rule: "a whole number from 1 to 10000", fits: (given) => isWhole(given, 10_000) },
  rate: { rule: 'a rate such as "1000/h", from 1/d to 1000000/s', fits: (given) => ratePerHourOf(given) !== undefined },
  backlogMax: { rule: "a whole number from 1 to 1000000000", fits: (given) => isWhole(given, 1_000_000_000) },
  paused: { rule: "true or false", fits: (given) => typeof given === "boolean" },
} as const satisfies Record<string, Rule>;

function isBetween(given: unknown, min: number, max: number): boolean {
  return typeof given === "number" && given >= min && given <= max;
}

function isWhole(given: unknown, max: number): boolean {
  return Number.isInteger(given) && isBetween(given, 1, max);
}

function ratePerHourOf(given: unknown): number | undefined {
  if (typeof given !== "string") return undefined;
  try {
    const perHour = parseRate(given);
    return isBetween(perHour, 1 / 24, perHourMax) ? perHour : undefined;
  } catch {
    return undefined;
  }
}
