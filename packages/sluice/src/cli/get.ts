import type { Command } from "commander";
import { requestFields } from "./describe.ts";
import { usageError } from "./failure.ts";
import { waitOption } from "./flag-settings.ts";
import { catchInterrupts } from "./interrupt.ts";
import { printBytes, printFields, printJson } from "./print.ts";
import { addServerOptions, clientOf, waitMs, type ServerOptions } from "./server-options.ts";

interface GetOptions extends ServerOptions {
  readonly result?: true;
  readonly body?: true;
  readonly wait?: true | number;
}

const afterHelp = `
With --result the exit code is 1 when the request is dead or cancelled, and 75 while it has no outcome.
A terminal gets the control and invisible characters of a body or result spelled out, as \\u001b; a file or pipe gets the bytes.

Examples:
  sluice get 0199d5e2-7c3a-7001-8f00-1d2c3b4a5f60
  sluice get 0199d5e2-7c3a-7001-8f00-1d2c3b4a5f60 --result --wait=30s > result.json
  sluice get 0199d5e2-7c3a-7001-8f00-1d2c3b4a5f60 --body
`;

export function registerGet(program: Command): void {
  const command = program
    .command("get")
    .summary("show a request, its result or its body")
    .description("Shows the state of a request, or prints the bytes of its result or body.")
    .argument("<id>", "the request's id")
    .option("--result", "print the result's bytes")
    .option("--body", "print the bytes that were sent")
    .addOption(waitOption("wait for the outcome first"))
    .addHelpText("after", afterHelp)
    .action(get);
  addServerOptions(command);
}

async function get(id: string, options: GetOptions): Promise<void> {
  if (options.result && options.body) throw usageError("--result and --body exclude each other");
  using interrupts = catchInterrupts();
  const signal = interrupts.stop;
  const client = clientOf(options, options.wait === undefined ? undefined : { retryForMs: 10_000 });
  const request =
    options.wait === undefined ? undefined : await client.wait(id, { timeoutMs: waitMs(options.wait), signal });
  if (options.result) return printBytes((await client.result(id, { signal })).bytes);
  if (options.body) return printBytes((await client.body(id, { signal })).bytes);
  const shown = request ?? (await client.read(id, { signal }));
  if (options.json) printJson(shown);
  else printFields(requestFields(shown));
}
