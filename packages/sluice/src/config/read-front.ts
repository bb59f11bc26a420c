// The front of a configuration: its listener, and its routes.
import { parseDuration } from "../core/duration.ts";
import { isPlacementName, placementNameRule } from "../core/placement.ts";
import { SluiceError } from "../core/errors.ts";
import { isLoopback } from "../core/loopback.ts";
import { isMediaType } from "../core/media-type.ts";
import { readSetting, wrong } from "../core/setting.ts";
import type { PlacementSources } from "../gateway/front/placement-source.ts";
import type { FrontAnswer, FrontRoute, FrontSettings } from "../gateway/front/settings.ts";
import type { FrontConfig, FrontRouteConfig } from "./config.ts";
import { frontRouteSettings, frontSettings } from "./declared-settings.ts";
import type { Overrides } from "./overrides.ts";
import { guarded } from "./read-descriptor.ts";
import { readHandshake } from "./read-handshake.ts";
import { readSource, readPlacementSource, readTimeSource } from "./read-source.ts";
import { assertObject, readText, readTexts } from "./read-value.ts";
import { readVerify } from "./read-verify.ts";
import type { Environment } from "./secret.ts";
import type { IntakeSettings, QueueSettings } from "./settings.ts";

const frontFields = ["host", "port", "tls", "routes", "passThrough", "trustedProxies"];
const tlsFields = ["cert", "key"];
const routeFields = [
  "queue",
  "verify",
  "handshake",
  "key",
  "notBefore",
  "expires",
  "order",
  "group",
  "priority",
  "headers",
  "wait",
  "answer",
  "bodyMax",
  "rate",
  "concurrency",
];
const answerFields = ["status", "contentType", "body"];
const routesMax = 1_000;
const queuesMax = 100;
const answerCharsMax = 64 * 1024;

/** Every path, to one queue: what `--front PORT --target URL` asks for. */
const everyPath = "/*";

export interface FrontSources {
  readonly file: FrontConfig | undefined;
  readonly overrides: Overrides;
  readonly env: Environment;
}

interface Intake {
  readonly queues: readonly QueueSettings[];
  readonly bodyBytesMax: IntakeSettings["bodyBytesMax"];
}

/** Undefined where there is none. Errors: `bad-config`, naming the route. */
export function readFront(sources: FrontSources, intake: Intake): FrontSettings | undefined {
  const { file, overrides } = sources;
  if (file === undefined && overrides.front === undefined) {
    if (overrides.passThrough === false) throw new SluiceError("bad-config", "--no-pass-through goes with --front");
    return undefined;
  }
  return guarded("front", () => readFields(sources, intake));
}

function readFields({ file, overrides, env }: FrontSources, intake: Intake): FrontSettings {
  assertObject("front", file ?? {}, frontFields);
  const { routes, tls, trustedProxies, passThrough } = file ?? {};
  const { host, port } = addressOf(overrides.front);
  const settings = {
    host: host ?? readText("front.host", file?.host) ?? "127.0.0.1",
    port: port ?? readSetting("front.port", frontSettings.port, file?.port),
    tls: tls && readTls(tls),
    trustedProxies: readTexts("front.trustedProxies", trustedProxies ?? []),
    passesThrough: overrides.passThrough !== false && readBoolean("front.passThrough", passThrough, true),
    routes: readRoutes(routes, { overrides, env, ...intake }),
  };
  if (settings.port === undefined)
    throw new SluiceError("bad-config", "front.port is missing: set it, or --front PORT");
  assertVerified(settings.host, settings.routes);
  assertLeadsAway({ host: settings.host, port: settings.port }, intake.queues);
  return { ...settings, port: settings.port };
}

/** `8081`, or `0.0.0.0:8081`. */
function addressOf(text: string | undefined): {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
} {
  if (text === undefined) return {};
  const [, bracketed, plain, port] = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined) throw wrong("--front", "is a port, or host:port", text);
  return { host: bracketed ?? plain, port: readSetting("--front", frontSettings.port, port) };
}

function readBoolean(place: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (typeof value !== "boolean") throw wrong(place, "must be true or false", value);
  return value;
}

function readTls(tls: NonNullable<FrontConfig["tls"]>): FrontSettings["tls"] {
  assertObject("front.tls", tls, tlsFields);
  const [cert, key] = [readText("front.tls.cert", tls.cert), readText("front.tls.key", tls.key)];
  if (cert !== undefined && key !== undefined) return { cert, key };
  throw new SluiceError("bad-config", "front.tls needs a certificate and its key: { cert, key }");
}

interface Reading extends Intake {
  readonly overrides: Overrides;
  readonly env: Environment;
}

function readRoutes(routes: unknown, reading: Reading): readonly FrontRoute[] {
  if (routes === undefined) return [readRoute(everyPath, { queue: loneQueue(reading) }, reading)];
  if (typeof routes !== "object" || routes === null || Array.isArray(routes))
    throw wrong("front.routes", 'must be an object of routes such as "POST /hooks/github"', routes);
  const entries = Object.entries(routes as Readonly<Record<string, FrontRouteConfig>>);
  if (entries.length === 0 || entries.length > routesMax)
    throw wrong("front.routes", `must have 1 to ${routesMax} routes`, entries.length);
  return entries.map(([name, route]) => guarded(placeOf(name), () => readRoute(name, route, reading)));
}

/** Where no routes are given: the queue of the flags, or the only one. */
function loneQueue({ queues, overrides }: Reading): string {
  const [first, ...others] = queues;
  const name = overrides.queue ?? (others.length === 0 ? first?.name : undefined);
  if (name !== undefined) return name;
  throw new SluiceError(
    "bad-config",
    "front.routes is missing: there are several queues, and a front without routes has one",
  );
}

function placeOf(route: string): string {
  return `front.routes[${JSON.stringify(route.slice(0, 200))}]`;
}

function readRoute(name: string, route: FrontRouteConfig, reading: Reading): FrontRoute {
  const place = placeOf(name);
  assertObject(place, route, routeFields);
  const { env } = reading;
  const at = (field: string): string => `${place}.${field}`;
  const queues = readQueues(at("queue"), route.queue, reading);
  const verify = readVerify(at("verify"), route.verify, env);
  const setting = <Field extends keyof typeof frontRouteSettings>(field: Field) =>
    readSetting(at(field), frontRouteSettings[field], route[field]);
  return {
    name,
    queues,
    verify,
    handshake: readHandshake(at("handshake"), route.handshake, { env, verify }),
    key: route.key === undefined ? undefined : readSource(at("key"), route.key),
    ...readPlacements(at, route),
    headers: route.headers === undefined ? undefined : readTexts(at("headers"), route.headers),
    waitMs: setting("wait"),
    answer: route.answer === undefined ? undefined : readAnswer(at("answer"), route.answer),
    bodyBytesMax: setting("bodyMax") ?? reading.bodyBytesMax,
    ratePerHour: setting("rate"),
    waitsMax: setting("concurrency"),
    passesTo: passesTo(reading.queues.find((queue) => queue.name === queues[0])),
  };
}

function readPlacements(at: (field: string) => string, route: FrontRouteConfig): PlacementSources {
  const { notBefore, expires, order, group, priority } = route;
  const times = {
    notBefore: readTimeSource(at("notBefore"), notBefore, frontRouteSettings.notBefore),
    expires: readTimeSource(at("expires"), expires, frontRouteSettings.expires),
  };
  if (times.notBefore?.kind === "fixed" && times.expires?.kind === "fixed")
    if (parseDuration(times.expires.text) <= parseDuration(times.notBefore.text))
      throw wrong(at("expires"), "must be longer than notBefore: its requests would all expire", expires);
  return {
    ...times,
    order: readPlacementSource(at("order"), order, { rule: "" }),
    group: readPlacementSource(at("group"), group, {
      rule: "a name, ",
      fixed: (value) => fixedGroup(at("group"), value),
    }),
    priority: readPlacementSource(at("priority"), priority, {
      rule: "a number from 0 to 7, ",
      fixed: (value) => String(readSetting(at("priority"), frontRouteSettings.priority, value)),
    }),
  };
}

function fixedGroup(place: string, value: unknown): string {
  if (typeof value === "string" && isPlacementName(value)) return value;
  throw wrong(place, `must be ${placementNameRule}`, value);
}

function readQueues(place: string, given: unknown, { queues: known }: Reading): FrontRoute["queues"] {
  const listed = typeof given === "string" ? [given] : readTexts(place, given);
  const [first, ...others] = listed;
  if (first === undefined || listed.length > queuesMax)
    throw wrong(place, `is a queue, or a list of 1 to ${queuesMax}`, given);
  if (new Set(listed).size < listed.length) throw wrong(place, "has a queue twice", given);
  const names = known.map(({ name }) => name);
  const unknown = listed.find((name) => !names.includes(name));
  if (unknown !== undefined) throw wrong(place, `must be one of the queues ${names.join(", ")}`, unknown);
  return [first, ...others];
}

function passesTo(queue: QueueSettings | undefined): FrontRoute["passesTo"] {
  return queue?.run?.kind === "target" && queue.run.target.appendsPath ? queue.run.target : undefined;
}

function readAnswer(place: string, answer: NonNullable<FrontRouteConfig["answer"]>): FrontAnswer {
  assertObject(place, answer, answerFields);
  const { status = 200, contentType = "text/plain; charset=utf-8", body = "" } = answer;
  const isStatus = Number.isInteger(status) && status >= 200 && status <= 299;
  if (!isStatus) throw wrong(`${place}.status`, "must be from 200 to 299: the request is stored", status);
  if (typeof contentType !== "string" || !isMediaType(contentType))
    throw wrong(`${place}.contentType`, "must be a media type such as text/xml", contentType);
  if (typeof body !== "string" || body.length > answerCharsMax)
    throw wrong(`${place}.body`, `must be a text of up to ${answerCharsMax} characters`, typeof body);
  return { status, contentType, body };
}

/** A call that came back would be stored again, without end. */
function assertLeadsAway(front: Pick<FrontSettings, "host" | "port">, queues: readonly QueueSettings[]): void {
  const own = [front.host, "localhost", "127.0.0.1", "[::1]"];
  for (const { name, run } of queues) {
    if (run?.kind !== "target" || portOf(run.target.url) !== front.port || front.port === 0) continue;
    if (own.includes(run.target.url.hostname))
      throw new SluiceError(
        "bad-config",
        `queues.${name}.target is the front itself: a call would come back without end`,
      );
  }
}

function portOf({ port, protocol }: URL): number {
  return port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
}

/** Who can reach a port that others reach, and needs no proof, could fill the store. */
function assertVerified(host: string, routes: readonly FrontRoute[]): void {
  const open = routes.find(({ verify }) => verify === undefined);
  if (open === undefined || isLoopback(host)) return;
  throw new SluiceError(
    "bad-config",
    `${placeOf(open.name)} needs verify: the front on ${host} can be reached from other machines. ` +
      'Set a preset such as github({ secret }), or "public" if anybody may send',
  );
}
