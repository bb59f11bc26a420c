import { statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { messageOf, SluiceError } from "../core/errors.ts";
import { assertReadable } from "../files/read-file.ts";
import { pathText, unusable } from "../files/refusal.ts";
import type { SluiceConfig } from "./config.ts";

const defaultFile = "sluice.config.ts";
const bytesMax = 16 * 1024 ** 2;

/** Imports the named file, or `sluice.config.ts` of the working folder where there is one. Errors: `bad-config`. */
export async function loadConfigFile(file: string | undefined): Promise<SluiceConfig | undefined> {
  const path = resolve(file ?? defaultFile);
  if (file === undefined && statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  assertLoadable(path);
  const { default: config } = await load(path);
  if (typeof config === "object" && config !== null) return config as SluiceConfig;
  const rule = "must have a default export that is an object: export default defineConfig({ queues: … })";
  throw new SluiceError("bad-config", `${pathText(path)} ${rule}`);
}

/** An import would wait for a pipe, and read a device for ever. */
function assertLoadable(path: string): void {
  try {
    assertReadable(statSync(path), bytesMax);
  } catch (cause) {
    throw unusable("the configuration file", path, cause);
  }
}

async function load(path: string): Promise<{ readonly default?: unknown }> {
  try {
    return (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
  } catch (cause) {
    throw new SluiceError("bad-config", `${pathText(path)} cannot be loaded: ${messageOf(cause)}`, { cause });
  }
}
