// Where a route's key and places in the backlog come from, from whatever a user wrote.
import type { KeySource } from "../gateway/front/key-source.ts";
import { readSetting, type Setting } from "../core/setting.ts";
import type { PlacementSource } from "../gateway/front/placement-source.ts";
import { bad, guarded, readDescriptor } from "./read-descriptor.ts";
import { assertObject } from "./read-value.ts";
import { readHeaderName } from "./read-verify.ts";

const parameterCharsMax = 128;
const pointerCharsMax = 1_000;
const pointerTokensMax = 32;

/** Undefined where nothing was given. Errors: `bad-config`. */
export function readSource(place: string, value: unknown): KeySource | undefined {
  if (value === undefined) return undefined;
  return guarded(place, () => {
    const { kind, fields = {} } = readDescriptor(value) ?? {};
    switch (kind) {
      case "header":
        assertObject(place, fields, ["name"]);
        return { kind, name: readHeaderName(place, fields["name"]) };
      case "query":
        return { kind, name: readParameterName(place, fields) };
      case "json":
        return { kind, ...readPointer(place, fields) };
      case "bodyHash":
        assertObject(place, fields, []);
        return { kind };
      default:
        throw bad(`${place} must be header(name), query(name), json(pointer) or bodyHash()`);
    }
  });
}

/** A text is a duration from the arrival. Otherwise as below. */
export function readTimeSource(place: string, value: unknown, setting: Setting): PlacementSource | undefined {
  const fixed = (text: unknown): string => `${readSetting(place, setting, text)}ms`;
  return readPlacementSource(place, value, { fixed, rule: 'a duration such as "24h", ' });
}

/** Undefined where nothing was given. `fixed` reads a value that holds for each request. Errors: `bad-config`. */
export function readPlacementSource(
  place: string,
  value: unknown,
  { fixed, rule }: { readonly fixed?: (value: unknown) => string; readonly rule: string },
): PlacementSource | undefined {
  if (value === undefined) return undefined;
  if (fixed !== undefined && typeof value !== "object" && typeof value !== "function")
    return { kind: "fixed", text: fixed(value) };
  return guarded(place, () => {
    const source = ["header", "query", "json"].includes(readDescriptor(value)?.kind ?? "")
      ? readSource(place, value)
      : undefined;
    if (source !== undefined && source.kind !== "bodyHash") return source;
    throw bad(`${place} must be ${rule}header(name), query(name) or json(pointer)`);
  });
}

type Fields = Readonly<Record<string, unknown>>;

function readParameterName(place: string, fields: Fields): string {
  assertObject(place, fields, ["name"]);
  const { name } = fields;
  if (typeof name !== "string" || name === "" || name.length > parameterCharsMax)
    throw bad(`${place} must name a query parameter, with 1 to ${parameterCharsMax} characters`);
  return name;
}

function readPointer(place: string, fields: Fields): Omit<KeySource & { readonly kind: "json" }, "kind"> {
  assertObject(place, fields, ["pointer", "optional"]);
  const { pointer, optional = false } = fields;
  if (typeof optional !== "boolean") throw bad(`${place}.optional must be true or false`);
  // RFC 6901: a tilde comes with 0 or 1 behind it.
  const isText = typeof pointer === "string" && pointer.length <= pointerCharsMax;
  if (!isText || !/^(?:\/(?:[^/~]|~[01])*)*$/.test(pointer) || pointer.split("/").length > pointerTokensMax + 1)
    throw bad(
      `${place} must be a JSON pointer such as "/id", of up to ${pointerCharsMax} characters and ${pointerTokensMax} names`,
    );
  const tokens = pointer.split("/").slice(1).map(unescaped);
  return { pointer, tokens, isOptional: optional };
}

function unescaped(token: string): string {
  return token.replaceAll("~1", "/").replaceAll("~0", "~");
}
