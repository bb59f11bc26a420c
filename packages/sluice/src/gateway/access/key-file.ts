// The file of API keys: `sluice keys` writes it, gateways read it.
import { createHash } from "node:crypto";
import { lstatSync, type Stats } from "node:fs";
import { open, realpath, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { platform } from "node:os";
import { dirname } from "node:path";
import { formatApiKeys, parseApiKeys, type ApiKey } from "../../core/api-key.ts";
import { messageOf, SluiceError } from "../../core/errors.ts";
import { makeNamedFolder } from "../../files/make-folder.ts";
import { pathText, unusable } from "../../files/refusal.ts";
import { readNamedFile } from "../../files/read-file.ts";

const bytesMax = 16 * 1024 ** 2;
const what = "the file of the API keys";

export interface KeySet {
  readonly keys: readonly ApiKey[];
  /** Tells this content from any other, and nothing of what is in it. */
  readonly generation: string;
}

/** Undefined when nothing has this name. Errors: `bad-config`, naming the file, when it cannot be read or others can. */
export async function readKeyFile(file: string): Promise<KeySet | undefined> {
  try {
    const text = await readNamedFile({ what, path: file, bytesMax, rule: assertPrivate });
    return keySetOf(text.toString("utf8"), pathText(file));
  } catch (error) {
    const isGone = error instanceof SluiceError && isCode(error.cause, "ENOENT");
    if (isGone && !isThere(file)) return undefined; // a link to nowhere is not nothing
    throw error;
  }
}

/** The keys in the text of such a file. Errors: `bad-config`, with the place. */
export function keySetOf(text: string, place: string): KeySet {
  try {
    return { keys: parseApiKeys(text), generation: generationOf(text) };
  } catch (cause) {
    throw new SluiceError("bad-config", `the API keys in ${place} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

function generationOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** Who can write the file can let anybody in. A group may read a file of root: orchestrators mount secrets like that. */
function assertPrivate({ mode, uid, gid }: Stats): void {
  const isMounted = uid === 0 && gid !== 0;
  const loose = mode & (isMounted ? 0o037 : 0o077);
  if (loose === 0 || platform() === "win32") return;
  const found = (mode & 0o777).toString(8).padStart(4, "0");
  throw new Error(`only its owner may have access to it, and its mode is ${found}: chmod 600 it`);
}

/**
 * Puts in place of the keys what `change` makes of them; owner, mode and a symbolic link stay. A reader sees the old file or the
 * new one, and a crash leaves one of them. The new one also keeps two changes apart: while it is written nobody else can begin to.
 * Resolves with the new keys.
 */
export async function changeKeyFile(
  file: string,
  change: (keys: readonly ApiKey[]) => readonly ApiKey[],
): Promise<KeySet> {
  const target = await targetOf(file);
  const next = `${target}.new`;
  await makeNamedFolder("the folder of the API keys", dirname(target), { isPrivate: true });
  await using handle = await openAlone(next);
  try {
    const before = await readKeyFile(target);
    const keys = change(before?.keys ?? []);
    const text = formatApiKeys(keys);
    await handle.writeFile(text);
    await keepOwner(handle, target, before !== undefined);
    await handle.sync();
    await rename(next, target);
    await syncFolder(dirname(target));
    return { keys, generation: generationOf(text) };
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  }
}

/** What the link leads to: it stays a link. */
async function targetOf(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (cause) {
    if (!isCode(cause, "ENOENT") || isThere(file)) throw unusable(what, file, cause);
    return file; // the first key makes it
  }
}

function isThere(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
}

/** The gateway goes on to read it: it stays its owner's, or is the owner's of its folder when root makes it. */
async function keepOwner(handle: FileHandle, target: string, isReplaced: boolean): Promise<void> {
  const { uid, gid, mode } = await stat(isReplaced ? target : dirname(target));
  const own = await handle.stat();
  if (isReplaced) await handle.chmod(mode & 0o777);
  if (own.uid === uid && own.gid === gid) return;
  if (!isReplaced && own.uid !== 0) return;
  await handle.chown(uid, gid).catch((cause: unknown) => {
    const message = `${what} ${pathText(target)} belongs to user ${uid} and group ${gid}: change the keys as that user or as root`;
    throw new SluiceError("bad-config", message, { cause });
  });
}

/** For its owner alone: it holds no key, but whoever may write it may make some. */
async function openAlone(next: string): Promise<FileHandle> {
  try {
    return await open(next, "wx", 0o600);
  } catch (cause) {
    if (!isCode(cause, "EEXIST")) throw cause;
    const message = `${next} is there: another change of the keys is under way; if none is, remove it`;
    throw new SluiceError("folder-owned", message, { cause });
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
