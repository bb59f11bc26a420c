// The routes of the front, ready for requests. Owns their rates, their waits, and the connections of what passes through.
import { isDeepStrictEqual } from "node:util";
import type { FastifyReply, FastifyRequest } from "fastify";
import { SluiceError } from "../../core/errors.ts";
import type { HeaderRule } from "../../core/header-names.ts";
import type { Placement } from "../../core/placement.ts";
import type { Target } from "../../outbound/target.ts";
import type { Counter } from "../../telemetry/meter.ts";
import { intakeQueueNamed, type GatewayContext, type IntakeQueue } from "../context.ts";
import { keyOf } from "../intake-headers.ts";
import { routeTimes, type RouteTimes } from "../measure.ts";
import { keptHeaderRule } from "./kept-headers.ts";
import { sourceOf, type KeyedCall } from "./key-source.ts";
import { openPassThrough, type PassThrough } from "./pass-through.ts";
import { requestTarget } from "./request-target.ts";
import { RouteRate } from "./route-rate.ts";
import { routeTable, type RouteTable } from "./routes.ts";
import type { FrontRoute, FrontSettings } from "./settings.ts";
import { refusalReasons, type RefusalReason, type Verifier } from "./verify/signed-call.ts";
import { placementIn } from "./placement-source.ts";
import { verifierOf } from "./verify/verifier.ts";

export interface Lane extends FrontRoute {
  readonly intake: readonly IntakeQueue[];
  readonly queueSet: ReadonlySet<string>;
  readonly keeps: HeaderRule;
  /** The header with what a sender shows to be let in: neither stored nor passed on. In lower case. */
  readonly proofHeader: string | undefined;
  /** Undefined where anybody may send, or the API's own keys say who. */
  readonly verifier: Verifier | undefined;
  /** Of what it accepts: what two routes take for keys need not be different. */
  readonly sender: string;
  readonly keyIn: (call: KeyedCall) => string | undefined;
  readonly placementIn: (call: KeyedCall, now: number) => Placement | undefined;
  readonly rate: RouteRate | undefined;
  /** The only one that it takes; undefined where it takes those of `allow`. */
  readonly method: string | undefined;
  /** The methods that it takes, as Allow has them. */
  readonly allow: readonly string[];
  readonly passing: PassThrough | undefined;
  readonly times: RouteTimes;
  readonly refusals: Readonly<Record<RefusalReason, Counter>>;
  /** Senders that wait now. */
  waits: number;
}

export interface Found {
  readonly lane: Lane;
  /** As it was sent, with the query. */
  readonly path: string;
  /** Of a request that names it with its path. */
  readonly authority: string | undefined;
}

const passingMax = 1_000;
const passingIdleMs = 60_000;
/** They change nothing at B: they pass through, and are never stored. */
export const safeMethods = ["GET", "HEAD", "OPTIONS"];
const storedMethods = ["POST", "PUT", "PATCH", "DELETE"];

export class Lanes {
  readonly #table: RouteTable;
  /** For each route of the table. */
  readonly #lanes: readonly Lane[];
  readonly #passing = new Map<Target, PassThrough>();

  /** Errors: `bad-config`, naming the route. */
  constructor({ routes, passesThrough }: FrontSettings, context: GatewayContext) {
    const lanes = routes.map((route) => this.#laneOf(route, { passesThrough, context }));
    // Meta asks with a GET where it will post.
    const asked = lanes.filter(({ handshake, method }) => handshake?.kind === "meta" && method === "POST");
    this.#lanes = [...lanes, ...asked];
    const names = [...lanes.map(({ name }) => name), ...asked.map(({ name }) => name.replace("POST", "GET"))];
    this.#table = routeTable(names, { mayTake: equalProofs(this.#lanes) });
  }

  #laneOf(route: FrontRoute, { passesThrough, context }: Opening): Lane {
    const { name, verify, passesTo } = route;
    const { meter, clock } = context;
    const place = `front.routes[${JSON.stringify(name)}]`;
    // A signature over a body proves nothing of a request without one.
    const isProvable = verify === undefined || ["public", "sluiceKeys", "basic", "apiKey"].includes(verify.kind);
    const passing = passesThrough && isProvable && passesTo !== undefined ? this.#passTo(passesTo, context) : undefined;
    const method = methodIn(name);
    if (method !== undefined && safeMethods.includes(method) && passing === undefined)
      throw new SluiceError(
        "bad-config",
        `${place} takes ${method}, which is never stored, and its queue has no target that could respond`,
      );
    const reasons = refusalReasons.map((reason) => [
      reason,
      meter.counter("sluice.front.refused", { route: name, reason }),
    ]);
    const proofHeader = proofHeaderOf(verify);
    const keeps = keptHeaderRule(route.headers, `${place}.headers`);
    return {
      ...route,
      intake: route.queues.map((queue) => intakeQueueNamed(context, queue)),
      queueSet: new Set(route.queues),
      keeps: proofHeader === undefined ? keeps : (header) => header !== proofHeader && keeps(header),
      proofHeader,
      verifier:
        verify === undefined || verify.kind === "public" || verify.kind === "sluiceKeys"
          ? undefined
          : verifierOf(verify),
      sender: `front ${name}`,
      keyIn: route.key === undefined ? ({ headers }) => keyOf(headers) : sourceOf(route.key),
      placementIn: placementIn(route),
      rate: route.ratePerHour === undefined ? undefined : new RouteRate(name, route.ratePerHour, clock.monotonic()),
      method,
      allow: method === undefined ? [...(passing === undefined ? [] : safeMethods), ...storedMethods] : [method],
      passing,
      times: routeTimes(meter, `front ${name}`),
      refusals: Object.fromEntries(reasons) as Record<RefusalReason, Counter>,
      waits: 0,
    };
  }

  /** Routes to one target share its connections. */
  #passTo(target: Target, { log, limits }: GatewayContext): PassThrough {
    const known = this.#passing.get(target);
    if (known !== undefined) return known;
    const { url, rule, tls, headers: targetHeaders } = target;
    const passing = openPassThrough({
      url,
      rule,
      tls,
      connectionsMax: passingMax,
      timeoutMs: limits.requestTimeoutMs,
      idleTimeoutMs: passingIdleMs,
      targetHeaders,
      log,
    });
    this.#passing.set(target, passing);
    return passing;
  }

  /** Errors: `not-found`, `method-not-allowed`, `bad-request` for a path that can be read in two ways. */
  laneFor({ method, originalUrl }: FastifyRequest, reply: FastifyReply): Found {
    const target = requestTarget(method, originalUrl);
    const match = target.kind === "server" ? { kind: "no-path" as const } : this.#table.match(method, target.path);
    if (target.kind === "server" || match.kind === "no-path")
      throw new SluiceError("not-found", `no route of the front has the path ${shownPath(originalUrl)}`);
    switch (match.kind) {
      case "route": {
        const lane = this.#lanes[match.index] as Lane;
        return { lane, path: `${target.path}${target.search}`, authority: target.authority };
      }
      case "undecided":
        throw new SluiceError("bad-request", `the path ${shownPath(originalUrl)} can be read as that of another route`);
      case "no-method":
        throw notAllowed(reply, { path: originalUrl, allow: match.allow, method });
      default:
        return match satisfies never;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#passing.values()].map((passing) => passing.close()));
  }
}

interface Opening {
  readonly passesThrough: boolean;
  readonly context: GatewayContext;
}

/** Whether a route may take what another would: that one asks for no proof, or both for the same. */
function equalProofs(lanes: readonly Lane[]): (index: number, other: number) => boolean {
  const distinct: FrontRoute["verify"][] = [];
  const proofs = lanes.map(({ verify }) => {
    const proof = verify?.kind === "public" ? undefined : verify;
    const known = distinct.findIndex((one) => isDeepStrictEqual(one, proof));
    return known === -1 ? distinct.push(proof) - 1 : known;
  });
  return (index, other) => proofs[index] === proofs[other] || distinct[proofs[other] as number] === undefined;
}

function proofHeaderOf(verify: FrontRoute["verify"]): string | undefined {
  switch (verify?.kind) {
    case "gitlab":
      return "x-gitlab-token";
    case "basic":
    case "sluiceKeys":
      return "authorization";
    case "apiKey":
      return verify.in === "header" ? verify.name : undefined;
    default:
      return undefined; // a signature lets nobody in with another request
  }
}

/** A path as it is stored and passed on: without the parameter that let its sender in. */
export function withoutSecretIn(path: string, { verify }: Pick<FrontRoute, "verify">): string {
  if (verify?.kind !== "apiKey" || verify.in !== "query") return path;
  const [place = "", ...rest] = path.split("?");
  const parameters = rest.join("?").split("&");
  const kept = parameters.filter((parameter) => !new URLSearchParams(parameter).has(verify.name));
  return kept.length === 0 ? place : `${place}?${kept.join("&")}`;
}

function methodIn(name: string): string | undefined {
  const [method, path] = name.split(" ", 2);
  return path === undefined ? undefined : method;
}

interface NotAllowed {
  readonly path: string;
  readonly allow: readonly string[];
  readonly method: string;
}

export function notAllowed(reply: FastifyReply, { path, allow, method }: NotAllowed): SluiceError {
  reply.header("allow", allow.join(", "));
  return new SluiceError("method-not-allowed", `${shownPath(path)} takes ${allow.join(", ")}, not ${method}`);
}

const shownCharsMax = 200;

function shownPath(path: string): string {
  return (path.split("?", 1)[0] as string).slice(0, shownCharsMax);
}
