// Servers that refuse to run as root run as the user postgres, whom their Debian packages bring.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

const execute = promisify(execFile);

/** setpriv replaces itself with the program, so the process id stays. */
export function asOrdinaryUser(program: string, args: readonly string[]): Command {
  if (!isRoot()) return { command: program, args };
  return { command: "setpriv", args: ["--reuid=postgres", "--regid=postgres", "--clear-groups", program, ...args] };
}

/** Runs a program to its end, in a folder that is the ordinary user's. */
export async function runAsOrdinaryUser(program: string, args: readonly string[], folder: string): Promise<void> {
  const { command, args: all } = asOrdinaryUser(program, args);
  await execute(command, all, { cwd: folder });
}

/** Makes a folder the ordinary user's, who must be able to reach it. */
export async function giveToOrdinaryUser(folder: string): Promise<void> {
  if (!isRoot()) return;
  await execute("chown", ["postgres:", folder]);
  await runAsOrdinaryUser("test", ["-x", folder], "/").catch(() => {
    throw new Error(`it runs as the user postgres, who cannot reach ${folder}: choose a folder that others may enter`);
  });
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}
