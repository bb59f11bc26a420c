// Files of text that a command reads or writes whole.
import { readFile, writeFile } from "node:fs/promises";
import { messageOf } from "../core/errors.ts";
import { CommandError, exitCodes } from "./failure.ts";

export async function readText(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: unknown) => {
    const details = { code: "unreadable", exitCode: exitCodes.failed, cause };
    throw new CommandError(`cannot read ${file}: ${messageOf(cause)}`, details);
  });
}

export async function writeText(file: string, text: string): Promise<void> {
  await writeFile(file, text).catch((cause: unknown) => {
    const details = { code: "unwritable", exitCode: exitCodes.failed, cause };
    throw new CommandError(`cannot write ${file}: ${messageOf(cause)}`, details);
  });
}
