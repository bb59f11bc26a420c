// Where a route's key and times come from, from whatever a user wrote.
import type { KeySource } from "../gateway/front/key-source.ts";
import { readSetting, type Setting } from "../core/setting.ts";
import type { TimeSource } from "../gateway/front/time-source.ts";
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

/** Undefined where nothing was given; a text is a duration from the arrival. Errors: `bad-config`. */
export function readTimeSource(place: string, value: unknown, setting: Setting): TimeSource | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string") {
    const ms = readSetting(place, setting, value);
    return ms === undefined ? undefined : { kind: "after", ms };
  }
  return guarded(place, () => {
    const source = ["header", "query", "json"].includes(readDescriptor(value)?.kind ?? "")
      ? readSource(place, value)
      : undefined;
    if (source !== undefined && source.kind !== "bodyHash") return source;
    throw bad(`${place} must be a duration such as "24h", header(name), query(name) or json(pointer)`);
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
