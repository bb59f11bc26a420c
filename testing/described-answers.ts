// Checks what a server answers against its OpenAPI description.
import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

interface Ref {
  readonly $ref: string;
}

export interface DescribedParameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
}

interface Media {
  readonly schema: object;
}

interface DescribedAnswer {
  readonly headers?: Readonly<Record<string, Ref>>;
  readonly content?: Readonly<Record<string, Media>>;
}

interface OperationObject {
  readonly operationId: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly Ref[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, DescribedAnswer | Ref>>;
}

export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
}

export interface DescribedOperation {
  readonly id: string;
  readonly method: string;
  /** With names in braces. */
  readonly path: string;
  readonly parameters: readonly DescribedParameter[];
  readonly mediaTypes: readonly string[];
  /** Undefined: any key will do, or none is needed. */
  readonly scope: string | undefined;
  readonly isPublic: boolean;
}

export interface GivenAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** Headers of the transport, and the one that OpenAPI leaves to `content`. */
const ofTransport = new Set([
  "connection",
  "content-length",
  "content-type",
  "date",
  "keep-alive",
  "transfer-encoding",
]);

export class Description {
  readonly operations: readonly DescribedOperation[];
  readonly #document: OpenApiDocument;
  readonly #ajv = new Ajv2020({ strict: false, validateSchema: false });

  constructor(document: OpenApiDocument) {
    this.#document = closed(document) as OpenApiDocument;
    addFormats.default(this.#ajv);
    this.#ajv.addSchema(this.#document, "description");
    this.operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => this.#operation(path, method.toUpperCase(), operation)),
    );
  }

  #operation(path: string, method: string, operation: OperationObject): DescribedOperation {
    const { operationId, security, parameters, requestBody } = operation;
    const [scope] = Object.keys(security[0] ?? {});
    return {
      id: operationId,
      method,
      path,
      parameters: parameters.map((parameter) => this.#resolve<DescribedParameter>(parameter)),
      mediaTypes: Object.keys(requestBody?.content ?? {}),
      scope: scope === "anyKey" ? undefined : scope,
      isPublic: security.length === 0,
    };
  }

  /** Throws for a status, content type, header or body that the operation is not described with. */
  assertAnswer({ path, method }: DescribedOperation, { status, headers, body }: GivenAnswer): void {
    const described = this.#document.paths[path]?.[method.toLowerCase()]?.responses[status];
    assert.ok(described !== undefined, `${method} ${path}: ${status} is not described: ${body.slice(0, 500)}`);
    const answer = this.#resolve<DescribedAnswer>(described);
    const about = `${method} ${path} ${status}`;
    this.#assertHeaders(answer, headers, about);
    this.#assertBody(answer, { status, headers, body }, about);
  }

  #assertHeaders({ headers: described = {} }: DescribedAnswer, headers: Headers, about: string): void {
    const byName = new Map(Object.entries(described).map(([name, ref]) => [name.toLowerCase(), ref]));
    for (const [name, value] of headers) {
      if (ofTransport.has(name)) continue;
      const ref = byName.get(name);
      assert.ok(ref !== undefined, `${about}: the header ${name} is not described`);
      const { schema } = this.#resolve<{ readonly schema: { readonly type?: string } }>(ref);
      this.#assertValid(schema, schema.type === "integer" ? Number(value) : value, `${about}: ${name}`);
    }
  }

  #assertBody({ content }: DescribedAnswer, { headers, body }: GivenAnswer, about: string): void {
    const type = (headers.get("content-type") ?? "").split(";", 1).join("").trim().toLowerCase();
    if (content === undefined) return assert.equal(body, "", `${about}: no body is described`);
    const media = content[type] ?? content["*/*"];
    assert.ok(media !== undefined, `${about}: the content type "${type}" is not described`);
    const isAnything = Object.keys(media.schema).length === 0; // not even JSON
    if (type === "text/event-stream") {
      for (const [, data = ""] of body.matchAll(/^data: (.*)\n\n/gm)) {
        this.#assertValid(media.schema, JSON.parse(data), `${about}: an event`);
      }
    } else if (/[/+]json$/.test(type) && !isAnything) {
      this.#assertValid(media.schema, JSON.parse(body), about);
    }
  }

  #assertValid(schema: object, value: unknown, about: string): void {
    const isValid = this.#ajv.validate(schema, value);
    assert.ok(isValid, `${about}: ${JSON.stringify(value).slice(0, 1_000)} ${this.#ajv.errorsText()}`);
  }

  #resolve<T extends object>(value: T | Ref): T {
    if (!("$ref" in value)) return value;
    const names = value.$ref.split("#/")[1]?.split("/") ?? [];
    return names.reduce<unknown>((at, name) => (at as Readonly<Record<string, unknown>>)[name], this.#document) as T;
  }
}

/** A copy in which an object has no member that is not described, and references name the document. */
function closed(value: unknown, isPart = false): unknown {
  if (Array.isArray(value)) return value.map((item) => closed(item, isPart));
  if (typeof value !== "object" || value === null) return value;
  const copy = Object.fromEntries(
    Object.entries(value).map(([name, member]: [string, unknown]) => [
      name,
      name === "$ref" ? `description${String(member)}` : closed(member, name === "allOf" || name === "Problem"),
    ]),
  );
  if ("allOf" in copy) return { ...copy, unevaluatedProperties: false };
  return isPart || !("properties" in copy) || "additionalProperties" in copy
    ? copy
    : { ...copy, additionalProperties: false };
}
