// Checks bodies against a queue's JSON Schema.
import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { ValidateFunction } from "ajv";
import secure from "ajv/dist/refs/json-schema-secure.json" with { type: "json" };
import addFormats from "ajv-formats";
import { messageOf, SluiceError } from "../core/errors.ts";
import { parseJson } from "./json.ts";

/** A place where a body does not fit; `path` is a JSON pointer. */
export interface SchemaPath {
  readonly path: string;
  readonly message: string;
}

/** Throws schema-mismatch with the path of the first place that does not fit: more would cost what the body asks for (I7). */
export type SchemaCheck = (body: Uint8Array) => void;

/** Places that a refusal names, where one of several branches must fit. */
const pathsMax = 20;

/** A check may follow `$ref` so often: linearly in the body, which has at most one value for every two bytes, and some. */
const [followsPerByte, followsMin] = [1, 20_000];

/** Compiles the schema of a queue; JSON Schema 2020-12 where `$schema` says so, else draft 7. */
export function compileSchemaCheck(queue: string, schema: object): SchemaCheck {
  const steps = new Steps();
  const validate = compile(queue, schema, steps);
  return (body) => {
    steps.begin(followsMin + followsPerByte * body.byteLength);
    const paths = pathsOf(validate, body);
    if (paths.length > 0) {
      throw new SluiceError("schema-mismatch", `the body does not fit the schema of queue "${queue}"`, {
        fields: { paths },
      });
    }
  };
}

/**
 * The places of a schema where a body can make its check slow, as in a list of 100,000 objects that must all differ: Ajv's own
 * rules and one for `contains`, but for formats, whose expressions here take no longer than the text is long.
 */
export function slowPlacesOf(schema: object): readonly string[] {
  const newer = { $defs: { additionalProperties: { $ref: "#" } }, prefixItems: { $ref: "#/definitions/schemaArray" } };
  // Each item that does not fit costs an error, though the check is about one that does.
  const dependencies = { ...secure.dependencies, contains: { required: ["maxItems"] } };
  const rules = { ...secure, dependencies, properties: { ...secure.properties, ...newer } };
  const assess = new Ajv({ allErrors: true, strict: false }).compile(rules);
  assess(schema);
  const slow = (assess.errors ?? []).filter(
    ({ keyword, schemaPath }) => keyword === "required" && !schemaPath.includes("/format/"),
  );
  return slow.map(({ instancePath, params }) => `${instancePath || "/"} has no ${String(params["missingProperty"])}`);
}

/**
 * Counts how often one check follows a `$ref`. A schema that refers to itself in several branches of an `anyOf` is followed in as many
 * ways at each level: a body of 300 bytes would take minutes and gigabytes.
 */
class Steps {
  #left = 0;

  begin(max: number): void {
    this.#left = max;
  }

  readonly take = (): boolean => {
    this.#left -= 1;
    if (this.#left < 0) throw new TooManySteps();
    return true;
  };
}

class TooManySteps extends Error {}

const refKeywords = ["$ref", "$dynamicRef", "$recursiveRef"];
const stepKeyword = "sluiceStep";
/** Their members are named by the operator, and are schemas. */
const maps = new Set(["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"]);
const values = new Set(["const", "enum", "default", "examples"]);

/** A copy of the schema in which a step stands beside each reference. */
function withSteps(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withSteps);
  if (typeof schema !== "object" || schema === null) return schema;
  const members = Object.entries(schema).map(([name, value]): readonly [string, unknown] => {
    if (values.has(name)) return [name, value];
    if (!maps.has(name) || typeof value !== "object" || value === null) return [name, withSteps(value)];
    return [name, Object.fromEntries(Object.entries(value).map(([member, one]) => [member, withSteps(one)]))];
  });
  const refers = members.some(([name, value]) => refKeywords.includes(name) && typeof value === "string");
  return Object.fromEntries(refers ? [[stepKeyword, true], ...members] : members);
}

function compile(queue: string, schema: object, steps: Steps): ValidateFunction {
  const is2020 = "$schema" in schema && String(schema.$schema).includes("2020-12");
  const options = { allowUnionTypes: true, strictTypes: false, strictTuples: false } as const;
  try {
    const ajv = is2020 ? new Ajv2020(options) : new Ajv(options);
    addFormats.default(ajv);
    ajv.addKeyword({
      keyword: stepKeyword,
      before: "$ref",
      schemaType: "boolean",
      validate: steps.take,
      errors: false,
    });
    return ajv.compile(withSteps(schema) as object);
  } catch (error) {
    throw new SluiceError("bad-config", `the schema of queue "${queue}": ${messageOf(error)}`, { cause: error });
  }
}

function pathsOf(validate: ValidateFunction, body: Uint8Array): readonly SchemaPath[] {
  const parsed = parseJson(body);
  if (parsed.kind !== "json") return [{ path: "", message: `must be JSON: ${parsed.message}` }];
  try {
    if (validate(parsed.value)) return [];
  } catch (error) {
    if (error instanceof TooManySteps)
      return [{ path: "", message: "can be read in too many ways: the schema refers to itself in several branches" }];
    if (!(error instanceof RangeError)) throw error;
    // A schema that refers to itself is followed by calls: the stack ended before the body did.
    return [{ path: "", message: "must not be nested this deeply" }];
  }
  return (validate.errors ?? []).slice(0, pathsMax).map(({ instancePath, message }) => ({
    path: instancePath,
    message: message ?? "does not fit",
  }));
}
