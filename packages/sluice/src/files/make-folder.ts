// Makes folders that an operator names.
import { access, constants, mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { unusable } from "./refusal.ts";

/**
 * Makes the folder, and those above it, where it is missing, and sees that it can be read and written. Returns the topmost
 * folder that it made. A private one is its owner's alone. Errors: `bad-config`.
 */
export async function makeNamedFolder(
  what: string,
  path: string,
  { isPrivate = false } = {},
): Promise<string | undefined> {
  try {
    const made = await makeFolder(resolve(path), isPrivate ? 0o700 : 0o777);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return made;
  } catch (cause) {
    throw unusable(what, path, cause);
  }
}

/** Node's own recursive mkdir never ends where the folder above exists and can take none, as in /proc. */
async function makeFolder(path: string, mode: number): Promise<string | undefined> {
  if (await isFolder(path)) return undefined;
  const above = await makeFolder(dirname(path), mode);
  try {
    await mkdir(path, { mode });
  } catch (error) {
    const isThereNow = isCode(error, "EEXIST") && (await isFolder(path)); // another process made it meanwhile
    if (!isThereNow) throw error;
  }
  return above ?? path;
}

async function isFolder(path: string): Promise<boolean> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return true;
  } catch (error) {
    if (isCode(error, "ENOENT") && dirname(path) !== path) return false;
    throw error;
  }
  throw new Error("it is not a folder");
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
