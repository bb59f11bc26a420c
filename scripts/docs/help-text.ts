import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { sluiceCommand } from "@sluice/testing";

/** What `sluice <words> --help` prints, as wide as where there is no terminal. */
export async function helpText(words: readonly string[]): Promise<string> {
  const env = { ...process.env, FORCE_COLOR: undefined, COLUMNS: undefined };
  const { stdout } = await promisify(execFile)(process.execPath, [sluiceCommand, ...words, "--help"], { env });
  return stdout;
}

/** The names below `Commands:`, but for `help`. */
export function commandsOf(help: string): readonly string[] {
  const [, block = ""] = /^Commands:\n((?: {2}.*\n)+)/m.exec(help) ?? [];
  return [...block.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = ""]) => name).filter((name) => name !== "help");
}
