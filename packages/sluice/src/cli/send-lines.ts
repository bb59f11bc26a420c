import { randomUUID } from "node:crypto";
import { SubmitManyError, type ItemReceipt, type SluiceClient } from "@sluice/client";
import { messageOf } from "../core/errors.ts";
import { formatDuration } from "../core/duration.ts";
import { CommandError, failureOf, usageError } from "./failure.ts";
import type { Input } from "./input.ts";
import type { Interrupts } from "./interrupt.ts";
import { lineItems, type LineItem } from "./lines.ts";
import { formatCount, printSlowly } from "./print.ts";
import { ratePerSecond, showProgress } from "./progress.ts";
import type { SendOptions } from "./send.ts";
import { clientOf } from "./server-options.ts";

/** Sends each line of the input as one request, and tells on every way out how many were accepted. */
export async function sendLines(input: Input, options: SendOptions, { stop, abort }: Interrupts): Promise<void> {
  const source = options.key ?? input.path ?? randomUUID();
  const tally = new Tally(input);
  const failure = await sendAll({ input, source, options, tally, signal: abort });
  if (failure === undefined && !stop.aborted) {
    if (tally.acceptedCount === 0 && !options.allowEmpty)
      throw usageError("the input holds no request: if that is right, add --allow-empty");
    process.stderr.write(`${tally.summary()}\n`);
    return;
  }
  const cause = failureOf(failure ?? stop.reason);
  const goOn = input.path === undefined && options.key === undefined ? `with --key ${source}` : "as it is";
  const advice = `To go on, run the command again ${goOn}: what is accepted already is not accepted twice.`;
  throw new CommandError(`${cause.message}\n${tally.summary("accepted at least")}. ${advice}`, {
    code: cause.code,
    exitCode: cause.exitCode,
    fields: { ...cause.fields, accepted: tally.acceptedCount, run: source },
    cause,
  });
}

interface Work {
  readonly input: Input;
  readonly source: string;
  readonly options: SendOptions;
  readonly tally: Tally;
  readonly signal: AbortSignal;
}

/** The failure that ended the work early, if one did. Lines before a bad one are sent. */
async function sendAll({ input, source, options, tally, signal }: Work): Promise<CommandError | undefined> {
  const client: SluiceClient = clientOf(options, { retryForMs: options.retryFor });
  let inputFailure: CommandError | undefined;
  async function* items(): AsyncGenerator<LineItem, void, undefined> {
    try {
      yield* lineItems(input.chunks, { source, isRaw: options.rawLines === true });
    } catch (error) {
      inputFailure = failureOf(error);
    }
  }
  try {
    using _progress = showProgress(() => tally);
    const { queue, callback } = options;
    for await (const receipt of client.submitMany(queue, items(), { callback, ...placementOf(options), signal })) {
      tally.add(receipt);
      if (options.json) await printSlowly(`${JSON.stringify(receipt)}\n`);
    }
    return inputFailure;
  } catch (error) {
    return sendFailure(error);
  }
}

/** Names the line of the file where the server named the line of a batch. */
function sendFailure(error: unknown): CommandError {
  const failure = failureOf(error);
  if (!(error instanceof SubmitManyError)) return failure;
  const { cause, problem, unsettled } = error as SubmitManyError<LineItem>;
  const { code, exitCode, fields } = failure;
  const lineNumber = problem?.line === undefined ? undefined : unsettled[problem.line - 1]?.item.lineNumber;
  if (lineNumber === undefined) return new CommandError(messageOf(cause), { code, exitCode, fields, cause });
  const message = `line ${lineNumber}: ${messageOf(cause).replace(/^line \d+: /, "")}`;
  return new CommandError(message, { code, exitCode, fields: { ...fields, line: lineNumber }, cause });
}

class Tally {
  readonly #input: Input;
  readonly #startedAt = performance.now();
  acceptedCount = 0;
  #replayedCount = 0;

  constructor(input: Input) {
    this.#input = input;
  }

  add({ replayed }: ItemReceipt): void {
    this.acceptedCount += 1;
    if (replayed) this.#replayedCount += 1;
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  get fraction(): number | undefined {
    const { bytesRead, bytesTotal } = this.#input;
    return bytesTotal === undefined || bytesTotal === 0 ? undefined : Math.min(1, bytesRead / bytesTotal);
  }

  summary(verb = "accepted"): string {
    const rate = formatCount(ratePerSecond(this.acceptedCount, this.elapsedMs));
    const before = this.#replayedCount === 0 ? "" : `, ${formatCount(this.#replayedCount)} of them before this run`;
    return `${verb} ${formatCount(this.acceptedCount)}${before}, in ${formatDuration(this.elapsedMs)} (${rate}/s)`;
  }
}

/** What the flags ask for of the place in the backlog. */
export function placementOf({ order, group, priority, notBefore, expires }: SendOptions) {
  return { order, group, priority, notBefore, expires };
}
