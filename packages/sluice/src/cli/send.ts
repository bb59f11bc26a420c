import { randomUUID } from "node:crypto";
import type { Command } from "commander";
import { SluiceClientError } from "@sluice/client";
import { catchInterrupts } from "./interrupt.ts";
import { guessContentType, openInput, readWhole, type Input } from "./input.ts";
import { bytesText, jsonText, printable, printWhole } from "./print.ts";
import { placementOf, sendLines } from "./send-lines.ts";
import { addServerOptions, clientOf, waitMs, type ServerOptions } from "./server-options.ts";
import { CommandError, exitCodes, usageError } from "./failure.ts";
import { clientSettings, settingOption, waitOption } from "./flag-settings.ts";

export interface SendOptions extends ServerOptions {
  readonly queue: string;
  readonly key?: string;
  readonly contentType?: string;
  readonly callback?: string;
  readonly order?: string;
  readonly group?: string;
  readonly priority?: number;
  readonly notBefore?: string;
  readonly expires?: string;
  readonly ndjson?: true;
  readonly rawLines?: true;
  readonly wait?: true | number;
  readonly retryFor: number;
  readonly allowEmpty?: true;
}

const afterHelp = `
One request: prints its id, or with --wait the bytes of its result. A body's type comes from the file's
extension; where that says nothing it is JSON if it parses as JSON.

Many requests: a file that ends in .ndjson or .jsonl, or --ndjson, has one request on each line:
  {"key": "order-7", "body": {"sku": 7}}
  {"body": {"sku": 8}}
  {"bodyBase64": "/w==", "contentType": "application/octet-stream", "callback": "https://front.example/told"}
  {"body": {"sku": 9}, "notBefore": "2026-12-24T18:00:00Z", "expires": "2026-12-25T18:00:00Z"}
With --raw-lines each line is itself a JSON body.

A time T is RFC 3339, as 2026-12-24T18:00:00Z, or a duration from when the server gets the request: 30s, 5m, 2h, 7d.
--not-before takes up to 366 days ahead, --expires up to 732. A request that has not begun by the time at which it expires
ends dead with the code "expired"; "sluice dead replay --queue NAME --error expired" runs those.

Nothing is accepted twice when the same command runs again after an interruption: a line without a key gets
one derived from the file's path, the line's number and its text. To send the same lines again on purpose,
or to go on with standard input, name the run: --key NAME takes the place of the path.

A signal, a read error or a closed output ends with 75: whole lines before it are sent, the line that it broke off is
not, nor a single body. A writer that dies ends its pipe as one that is done: what it wrote last is sent, even without
a line end. Where it may die, let it write a file first, or send NDJSON, which is no JSON when it is cut off. Input
without a request is refused, because most often its writer failed.

Examples:
  sluice send --queue orders order.json
  echo '{"sku":7}' | sluice send --queue orders --wait=30s
  sluice send --queue orders --key order-7 order.json
  sluice send --queue orders --not-before 2h --expires 1d order.json
  sluice send --queue orders orders.ndjson
  zcat payloads.gz | sluice send --queue orders --raw-lines --key monday -
`;

export function registerSend(program: Command): void {
  const command = program
    .command("send")
    .summary("send a file, standard input or NDJSON to a queue")
    .description("Sends one request or many to a queue. What was accepted is durable.")
    .argument("[file]", "the file to send; - or nothing is standard input")
    .requiredOption("-q, --queue <name>", "the queue to send to")
    .option("-k, --key <key>", "the Idempotency-Key; of many requests: the name of the run (see below)")
    .option("-t, --content-type <type>", "the body's type")
    .option("--callback <url>", "post the outcome to this URL; of many requests: where their line names none")
    .option("--order <key>", "run it after those sent before with the same order key; of many requests: as above")
    .option("--group <name>", "the group, such as a tenant; of many requests: as above")
    .addOption(
      settingOption(
        "--priority <urgency>",
        "0 is the most urgent; of many requests: as above",
        clientSettings.priority,
      ),
    )
    .option("--not-before <T>", "do not begin it before this time; of many requests: where their line names none")
    .option(
      "--expires <T>",
      "end it dead if it has not begun by this time; of many requests: where their line names none",
    )
    .option("--ndjson", "each line is a request with its key and body")
    .option("--raw-lines", "each line is a JSON body")
    .option("--allow-empty", "send a body of 0 bytes; of many requests: none is right too")
    .addOption(waitOption("wait for the outcome and print the result"))
    .addOption(
      settingOption(
        "--retry-for <duration>",
        "how long to try again when the server is unreachable or busy",
        clientSettings.retryFor,
      ),
    )
    .addHelpText("after", afterHelp)
    .action(send);
  addServerOptions(command);
}

async function send(file: string | undefined, options: SendOptions): Promise<void> {
  await using input = openInput(file);
  using interrupts = catchInterrupts({ closedOutput: true });
  const { stop } = interrupts;
  stop.addEventListener("abort", () => input.interrupt(stop.reason));
  if (!isMany(input, options)) return await sendOne(input, options, stop);
  if (options.wait !== undefined) throw usageError("--wait takes a single request");
  if (options.contentType !== undefined) throw usageError("--content-type takes a single request");
  await sendLines(input, options, interrupts);
}

function isMany({ extension }: Input, { ndjson, rawLines }: SendOptions): boolean {
  return ndjson === true || rawLines === true || extension === ".ndjson" || extension === ".jsonl";
}

async function sendOne(input: Input, options: SendOptions, signal: AbortSignal): Promise<void> {
  const { queue, key = randomUUID(), callback, wait, json } = options;
  const client = clientOf(options, { retryForMs: options.retryFor });
  const body = await readWhole(input);
  if (body.length === 0 && !options.allowEmpty) throw usageError("the input is empty: to send that, add --allow-empty");
  const contentType = options.contentType ?? guessContentType(input.extension, body);
  const asked = { callback, ...placementOf(options) };
  const submitted = await client.submit(queue, body, { key, contentType, ...asked, signal }).catch((error: unknown) => {
    throw error === signal.reason ? interruptedOnTheWay(key, error) : error;
  });
  try {
    if (wait === undefined) {
      if (json) await printWhole(jsonText({ ...submitted.receipt, key, replayed: submitted.replayed }));
      else await printWhole(`${printable(submitted.id)}\n`);
      return;
    }
    await client.wait(submitted.id, { timeoutMs: waitMs(wait), signal });
    await printWhole(bytesText((await client.result(submitted.id, { signal })).bytes));
  } catch (error) {
    if (error instanceof SluiceClientError && error.kind === "dead") throw error;
    const id = printable(submitted.id);
    process.stderr.write(`accepted as ${id}; go on with: sluice get ${id} --result --wait\n`);
    throw signal.aborted ? signal.reason : error;
  }
}

function interruptedOnTheWay(key: string, cause: unknown): CommandError {
  const message = `interrupted: it may have been accepted; to send it again without a second request, add --key ${key}`;
  return new CommandError(message, { code: "interrupted", exitCode: exitCodes.tryAgain, fields: { key }, cause });
}
