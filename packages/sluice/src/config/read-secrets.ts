// Secrets of a configuration: texts, references to the environment, or a list of both. No error shows one.
import { messageOf } from "../core/errors.ts";
import { bad, readDescriptor } from "./read-descriptor.ts";
import { readSecret, type Environment } from "./secret.ts";

const secretsMax = 10;
const charsMax = 4_096;
/** Upper case alone, so that a secret that was written in place of a name is not taken for one and shown. */
const variableRule = /^[A-Z][A-Z0-9_]{0,127}$/;

/** At least one. Errors: `bad-config`. */
export function readSecrets(place: string, value: unknown, env: Environment): readonly string[] {
  if (!Array.isArray(value)) return [readOne(place, value, env)];
  if (value.length === 0 || value.length > secretsMax)
    throw bad(`${place} is a secret, or a list of 1 to ${secretsMax}`);
  return Array.from(value, (one: unknown, at) => readOne(`${place}[${at}]`, one, env));
}

function readOne(place: string, value: unknown, env: Environment): string {
  if (value === undefined) throw bad(`${place} is missing: it is a text or secret("NAME")`);
  const descriptor = readDescriptor(value);
  const text = descriptor?.kind === "secret" ? resolved(place, descriptor.fields["name"], env) : value;
  const isSecret = typeof text === "string" && text !== "" && text.length <= charsMax && !text.includes("\0");
  if (!isSecret) throw bad(`${place} must be a text of 1 to ${charsMax} characters or secret("NAME")`);
  return text;
}

function resolved(place: string, name: unknown, env: Environment): string {
  if (typeof name !== "string" || !variableRule.test(name))
    throw bad(`${place}: secret() takes the name of an environment variable in upper case, such as GITHUB_SECRET`);
  const text = readNamed(place, name, env);
  if (text === undefined) throw bad(`${place}: neither ${name} nor ${name}_FILE is set`);
  return text;
}

function readNamed(place: string, name: string, env: Environment): string | undefined {
  try {
    return readSecret(name, env);
  } catch (error) {
    throw bad(`${place}: ${messageOf(error)}`);
  }
}
