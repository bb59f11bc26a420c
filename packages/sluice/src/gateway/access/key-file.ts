// The file of API keys: `sluice keys` writes it, gateways read it.
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { formatApiKeys, parseApiKeys, type ApiKey } from "../../core/api-key.ts";
import { messageOf, SluiceError } from "../../core/errors.ts";
import { makeNamedFolder } from "../../files/make-folder.ts";
import { pathText } from "../../files/refusal.ts";
import { readNamedFile } from "../../files/read-file.ts";

const bytesMax = 16 * 1024 ** 2;

/** The keys, or undefined when there is no such file. Errors: `bad-config`, naming the file. */
export async function readKeyFile(file: string): Promise<readonly ApiKey[] | undefined> {
  const text = await readNamedFile({ what: "the file of the API keys", path: file, bytesMax }).catch(
    (error: unknown) => {
      if (error instanceof SluiceError && isCode(error.cause, "ENOENT")) return undefined;
      throw error;
    },
  );
  if (text === undefined) return undefined;
  try {
    return parseApiKeys(text.toString("utf8"));
  } catch (cause) {
    throw new SluiceError("bad-config", `the API keys in ${pathText(file)} cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/**
 * Puts in place of the keys what `change` makes of them. A reader sees the old file or the new one, and a crash leaves one of
 * them. The new one also keeps two changes apart: while it is written nobody else can begin to.
 */
export async function changeKeyFile(
  file: string,
  change: (keys: readonly ApiKey[]) => readonly ApiKey[],
): Promise<void> {
  const next = `${file}.new`;
  await makeNamedFolder("the folder of the API keys", dirname(file));
  const handle = await openAlone(next);
  try {
    try {
      await handle.writeFile(formatApiKeys(change((await readKeyFile(file)) ?? [])));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(next, file);
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  }
  await syncFolder(dirname(file));
}

/** For its owner alone: it holds no key, but whoever may write it may make some. */
async function openAlone(next: string) {
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
