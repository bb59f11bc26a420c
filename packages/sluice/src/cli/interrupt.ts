import { onClosedOutput } from "./closed-output.ts";
import { CommandError, exitCodes } from "./failure.ts";

/** Signals in two steps: `stop` takes nothing new, a second signal aborts what is under way. */
export interface Interrupts extends Disposable {
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
}

export interface InterruptOptions {
  readonly signals?: readonly NodeJS.Signals[];
  /** Called on every signal after the first. True: it is dealt with, and aborts nothing. */
  readonly onAgain?: () => boolean;
  /** A standard output that takes no more counts as the first signal. */
  readonly closedOutput?: boolean;
}

export function catchInterrupts({
  signals = ["SIGINT", "SIGTERM", "SIGHUP"],
  onAgain = () => false,
  closedOutput = false,
}: InterruptOptions = {}): Interrupts {
  const caught = new DisposableStack();
  const stop = new AbortController();
  const abort = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    const reason = interrupted("interrupted", signal);
    if (!stop.signal.aborted) stop.abort(reason);
    else if (!onAgain()) abort.abort(reason);
  };
  for (const signal of signals) {
    process.on(signal, onSignal);
    caught.defer(() => process.off(signal, onSignal));
  }
  if (closedOutput) caught.use(onClosedOutput((cause) => stop.abort(interrupted("standard output is closed", cause))));
  return { stop: stop.signal, abort: abort.signal, [Symbol.dispose]: () => caught.dispose() };
}

function interrupted(message: string, cause: unknown): CommandError {
  return new CommandError(message, { code: "interrupted", exitCode: exitCodes.tryAgain, cause });
}

/** Which signal it was. */
export function causeOf({ reason }: AbortSignal): unknown {
  return reason instanceof Error ? reason.cause : undefined;
}
