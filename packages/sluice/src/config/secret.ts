// Secrets from the environment: the value itself, or the file that holds it.
import { SluiceError } from "../core/errors.ts";
import { readNamedFileSync } from "../files/read-file.ts";

const bytesMax = 64 * 1024;

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * NAME, or what stands in the file that NAME_FILE names; undefined when neither is set, and an empty one counts as not
 * set. Errors: `bad-config`, without the value.
 */
export function readSecret(name: string, env: Environment): string | undefined {
  const value = env[name] || undefined;
  const fileName = `${name}_FILE`;
  const file = env[fileName] || undefined;
  if (file === undefined) return value;
  if (value !== undefined) throw new SluiceError("bad-config", `${name} and ${fileName} are both set: set one of them`);
  const text = readNamedFileSync({ what: fileName, path: file, bytesMax }).toString("utf8").trim();
  if (text === "") throw new SluiceError("bad-config", `${fileName}: ${file} is empty`);
  return text;
}
