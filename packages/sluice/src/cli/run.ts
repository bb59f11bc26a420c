import type { Command } from "commander";
import { visible } from "../core/visible.ts";
import { watchOutput } from "./closed-output.ts";
import { exitCodes, failureOf, type CommandError } from "./failure.ts";
import { leaveAsCopy } from "./parent.ts";
import { printable } from "./print.ts";

/** Runs a command line. Every failure ends here: a sentence or JSON on standard error, and the exit code. */
export async function run(program: Command, argv: readonly string[]): Promise<void> {
  prepare(program);
  watchOutput();
  try {
    await program.parseAsync(argv);
  } catch (error) {
    const failure = failureOf(error);
    process.exitCode = failure.exitCode;
    if (failure.exitCode !== exitCodes.ok) tell(failure, argv);
    leaveAsCopy();
  }
}

/** In every command: commander throws instead of exit and print, and an empty variable counts as not set. */
function prepare(command: Command): void {
  for (const { envVar } of command.options)
    if (envVar !== undefined && process.env[envVar] === "") delete process.env[envVar];
  command.exitOverride().configureOutput({ outputError: () => {} });
  for (const child of command.commands) prepare(child);
}

function tell({ message, code, exitCode, fields }: CommandError, argv: readonly string[]): void {
  if (argv.includes("--json")) {
    process.stderr.write(`${visible(JSON.stringify({ error: { code, message, exitCode, ...fields } }))}\n`);
    return;
  }
  if (code === "usage" && message === "(outputHelp)") return; // commander has shown the help
  const hint = exitCode === exitCodes.usage ? `\n${helpHint(argv)}` : "";
  const shown = message.split("\n").map(printable).join("\n");
  process.stderr.write(`sluice: ${shown}${hint}\n`);
}

function helpHint(argv: readonly string[]): string {
  const name = argv.slice(2).find((word) => !word.startsWith("-"));
  return `See: sluice ${name === undefined ? "" : `${name} `}--help`;
}
