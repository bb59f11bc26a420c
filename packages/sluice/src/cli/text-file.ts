// Files of text that a command writes whole.
import { writeFile } from "node:fs/promises";
import { pathText, reasonOf } from "../files/refusal.ts";
import { CommandError, exitCodes } from "./failure.ts";

export async function writeText(file: string, text: string): Promise<void> {
  await writeFile(file, text).catch((cause: unknown) => {
    const details = { code: "unwritable", exitCode: exitCodes.failed, cause };
    throw new CommandError(`cannot write ${pathText(file)}: ${reasonOf(cause)}`, details);
  });
}
