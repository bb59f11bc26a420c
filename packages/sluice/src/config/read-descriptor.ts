// What the functions of front-values.ts return, as far as it can be trusted: users also write it by hand, or call them with
// anything.
import { SluiceError } from "../core/errors.ts";

export interface Descriptor {
  readonly kind: string;
  /** The others, as plain values of its own. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Undefined when the value is none. Errors: `bad-config`, without the value: it may be a secret. */
export function readDescriptor(value: unknown): Descriptor | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { kind, ...fields } = value as { readonly kind?: unknown };
  return typeof kind === "string" ? { kind, fields } : undefined;
}

/** Reads a value whose properties may throw. */
export function guarded<Read>(place: string, read: () => Read): Read {
  try {
    return read();
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw bad(`${place} cannot be read: one of its properties throws`);
  }
}

/** In place of `wrong`, where the value is not to be shown. */
export function bad(message: string): SluiceError {
  return new SluiceError("bad-config", message);
}
