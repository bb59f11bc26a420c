// Whom a rehearsal kills. Nobody is looked for by name: either the user's own command does it, or the ids come from the
// file of whoever started the processes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { messageOf } from "../core/errors.ts";
import type { Random } from "../core/seeded-random.ts";
import type { Victim } from "../rehearsal/killer.ts";
import { readNamedFile } from "../files/read-file.ts";
import { usageError } from "./failure.ts";

export interface VictimOptions {
  /** Where names without a command are looked up: JSON of names and process ids. */
  readonly pidsFile: string | undefined;
  readonly random: Random;
}

const commandMsMax = 60_000;
const stderrCharsMax = 200;
const pidsBytesMax = 1024 ** 2;

/** `NAME=COMMAND`, or names alone with commas between. */
export function victimsOf(flags: readonly string[], options: VictimOptions): readonly Victim[] {
  const victims = flags.flatMap((flag) => {
    const [, name, command] = /^([\w.-]+)=(.+)$/s.exec(flag) ?? [];
    if (name !== undefined && command !== undefined) return [commandVictim(name, command)];
    return flag.split(",").map((word) => copyVictim(word.trim(), options));
  });
  const names = victims.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw usageError(`--kill must name each victim once, got ${twice} twice`);
  return victims;
}

function commandVictim(name: string, command: string): Victim {
  return { name, kill: (signal) => runShell(command, signal) };
}

async function runShell(command: string, stop: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(commandMsMax)]);
  const child = spawn(command, { shell: true, stdio: ["ignore", "ignore", "pipe"], signal });
  const [stderr, [code, killedBy]] = (await Promise.all([text(child.stderr), once(child, "close")])) as [
    string,
    [number | null, string | null],
  ];
  if (code !== 0)
    throw new Error(`"${command}" ended with ${code ?? killedBy}: ${stderr.trim().slice(-stderrCharsMax)}`);
}

/** One of the copies that a role with --replicas keeps running: it starts another in its place. */
function copyVictim(name: string, { pidsFile, random }: VictimOptions): Victim {
  if (!/^[\w.-]+$/.test(name)) throw usageError(`--kill takes NAME=COMMAND or names, got "${name}"`);
  if (pidsFile === undefined) throw usageError(`--kill ${name} needs --pids FILE, or a command: --kill '${name}=…'`);
  return {
    name,
    async kill() {
      const pid = await pidOf(name, pidsFile);
      const copies = await childrenOf(pid);
      const [first, ...others] = copies;
      if (first === undefined) throw new Error(`${name}, process ${pid}, has no copies: it needs --replicas 2 or more`);
      process.kill(random.pick([first, ...others]), "SIGKILL");
    },
  };
}

/** Read anew each time: it may have been started again. */
async function pidOf(name: string, file: string): Promise<number> {
  const text = await readNamedFile({ what: "the file of process ids", path: file, bytesMax: pidsBytesMax });
  const pids = JSON.parse(text.toString("utf8")) as Readonly<Record<string, unknown>>;
  const pid = pids[name];
  if (typeof pid === "number" && Number.isSafeInteger(pid) && pid > 1) return pid;
  throw new Error(`${file} names no process id for ${name}`);
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  try {
    return (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).split(" ").filter(Boolean).map(Number);
  } catch (error) {
    throw new Error(`process ${pid} cannot be looked at in /proc: ${messageOf(error)}`, { cause: error });
  }
}
