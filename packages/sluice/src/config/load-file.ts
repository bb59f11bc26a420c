import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { messageOf, SluiceError } from "../core/errors.ts";
import type { SluiceConfig } from "./config.ts";

const defaultFile = "sluice.config.ts";

/** Imports the named file, or `sluice.config.ts` of the working folder where there is one. Errors: `bad-config`. */
export async function loadConfigFile(file: string | undefined): Promise<SluiceConfig | undefined> {
  const path = resolve(file ?? defaultFile);
  if (!existsSync(path)) {
    if (file === undefined) return undefined;
    throw new SluiceError("bad-config", `there is no configuration file ${path}`);
  }
  try {
    const { default: config } = (await import(pathToFileURL(path).href)) as { default?: SluiceConfig };
    if (config !== undefined) return config;
  } catch (cause) {
    throw new SluiceError("bad-config", `${path} cannot be loaded: ${messageOf(cause)}`, { cause });
  }
  throw new SluiceError("bad-config", `${path} has no default export: export default defineConfig({ queues: … })`);
}
