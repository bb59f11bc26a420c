// Makes the API's description of the tables beside it.
import { scopes } from "../../core/api-key.ts";
import { accessOf, type RouteAccess } from "../access/route-access.ts";
import type { GatewayLimits } from "../limits.ts";
import { namedSchemas } from "../schemas.ts";
import {
  headers,
  parametersWithin,
  problems,
  statusOf,
  type HeaderName,
  type ParameterName,
  type ProblemName,
} from "./components.ts";
import { operations, tags, type Operation, type OwnAnswer } from "./operations.ts";

export interface DescribedServer {
  readonly version: string;
  readonly limits: GatewayLimits;
}

/** The description in OpenAPI 3.1, as JSON. */
export function describeApi({ version, limits }: DescribedServer): string {
  const document = {
    openapi: "3.1.0",
    info: {
      title: "Sluice",
      version,
      description:
        "Accepts requests durably and keeps their results. Times are RFC 3339 in UTC. A connection that ends without an answer leaves open whether a request was stored: sent again with its Idempotency-Key, it is not stored twice. A query parameter or a `Sluice-*` header that a route does not have is refused. Each GET route takes HEAD as well, but for event streams.",
      contact: { name: "Sluice" },
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/", description: "The server that this description was read from" }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths: pathsOf(Object.entries(operations)),
    components: {
      schemas: mapped(namedSchemas, (schema) => membersWithRefs(schema)),
      parameters: mapped(parametersWithin(limits), withRefs),
      headers,
      responses: mapped(problems, (_, name) => problemAnswer(name)),
      securitySchemes,
    },
  };
  return JSON.stringify(document);
}

/** One for each scope, since a bearer scheme has none of its own. */
const securitySchemes = {
  anyKey: keyScheme("An API key of any scope"),
  ...Object.fromEntries(scopes.map((scope) => [scope, keyScheme(`An API key with the scope \`${scope}\``)])),
};

function keyScheme(what: string): object {
  const limits =
    "A key that is limited to some queues gets 404 for what is in others. A server without keys needs none.";
  return { type: "http", scheme: "bearer", description: `${what}, as \`sluice keys create\` shows it. ${limits}` };
}

function pathsOf(entries: readonly (readonly [string, Operation])[]): Record<string, Record<string, object>> {
  const paths: Record<string, Record<string, object>> = {};
  for (const [name, operation] of entries) {
    const [method = "", route = ""] = name.split(" ");
    const path = route.replaceAll(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [method.toLowerCase()]: describeOperation(operation, method, route) };
  }
  return paths;
}

function describeOperation(operation: Operation, method: string, route: string): object {
  const { id, tag, summary, description, parameters = [], body, answers } = operation;
  const access = accessOf(method, route);
  const ofPath = [...route.matchAll(/:(\w+)/g)].map(([, name]) => name as ParameterName);
  return {
    operationId: id,
    tags: [tag],
    summary,
    description,
    security: securityOf(access),
    parameters: [...ofPath, ...parameters].map((name) => refTo("parameters", name)),
    ...(body && {
      requestBody: { description: body.description, required: body.isRequired, content: mapped(body.content, media) },
    }),
    responses: {
      ...mapped(answers, (answer) => ownAnswer(answer, access)),
      ...Object.fromEntries(
        problemsOf(operation, access, ofPath).map((name) => [statusOf(name), refTo("responses", name)]),
      ),
    },
  };
}

function securityOf(access: RouteAccess): readonly Record<string, readonly string[]>[] {
  return access.kind === "public" ? [] : [{ [access.scope ?? "anyKey"]: [] }];
}

/** Of several with one status the later: what a route says itself goes before what all have. */
function problemsOf({ problems: own = [] }: Operation, access: RouteAccess, ofPath: readonly string[]) {
  const all: ProblemName[] = ["BadRequest", "TooSlow", "HeadersTooLarge", "Internal", "Misdirected", "Forbidden"];
  if (access.kind === "keyed") all.push("Unauthorized", "Unavailable");
  if (ofPath.includes("queue")) all.push("UnknownQueue");
  if (ofPath.includes("id")) all.push("UnknownRequest");
  return [...all, ...own];
}

function ownAnswer({ description, headers: own = [], content }: OwnAnswer, access: RouteAccess): object {
  const names = [...new Set([...own, ...gateHeaders(access)])];
  return {
    description,
    ...(names.length > 0 && { headers: headerRefs(names) }),
    ...(content && { content: mapped(content, media) }),
  };
}

/** As the gate adds them. */
function gateHeaders(access: RouteAccess): readonly HeaderName[] {
  const isSecret = access.kind === "keyed" && access.scope !== "send";
  return isSecret ? ["Cache-Control", "X-Content-Type-Options"] : [];
}

function problemAnswer(name: ProblemName): object {
  const {
    description,
    codes,
    headers: own = [],
  }: (typeof problems)[ProblemName] & { headers?: readonly HeaderName[] } = problems[name];
  const narrowed = {
    required: ["status", "code"],
    properties: { status: { const: statusOf(name) }, code: { enum: codes } },
  };
  const schema = { allOf: [refTo("schemas", "Problem"), { type: "object", ...narrowed }] };
  return {
    description: `${description} (${codes.join(", ")})`,
    headers: headerRefs([...own, "Cache-Control", "X-Content-Type-Options"]),
    content: { "application/problem+json": { schema } },
  };
}

function headerRefs(names: readonly HeaderName[]): Record<string, object> {
  return Object.fromEntries(names.map((name) => [name, refTo("headers", name)]));
}

function media(schema: unknown): object {
  return { schema: withRefs(schema) };
}

function refTo(kind: string, name: string): { readonly $ref: string } {
  return { $ref: `#/components/${kind}/${name}` };
}

/** By their text: an optional member holds a copy of its schema. */
const names: ReadonlyMap<string, string> = new Map(
  Object.entries(namedSchemas).map(([name, schema]) => [JSON.stringify(schema), name]),
);

/** The value with a reference wherever a named schema is in it. */
function withRefs(value: unknown): unknown {
  const name = names.get(JSON.stringify(value));
  return name === undefined ? membersWithRefs(value) : refTo("schemas", name);
}

function membersWithRefs(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withRefs);
  return typeof value === "object" && value !== null ? mapped(value, withRefs) : value;
}

function mapped<T extends object, R>(
  object: T,
  map: (value: T[keyof T], name: Extract<keyof T, string>) => R,
): Record<string, R> {
  return Object.fromEntries(
    Object.entries(object).map(([name, value]) => [name, map(value as T[keyof T], name as Extract<keyof T, string>)]),
  );
}
