/** Signals in two steps: `stop` takes nothing new, a second signal aborts what is under way. */
export interface Interrupts extends Disposable {
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
}

export interface InterruptOptions {
  readonly signals?: readonly NodeJS.Signals[];
  /** Called on every signal after the first. True: it is dealt with, and aborts nothing. */
  readonly onAgain?: () => boolean;
}

export function catchInterrupts({
  signals = ["SIGINT", "SIGTERM"],
  onAgain = () => false,
}: InterruptOptions = {}): Interrupts {
  const stop = new AbortController();
  const abort = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    const reason = new Error("interrupted", { cause: signal });
    if (!stop.signal.aborted) stop.abort(reason);
    else if (!onAgain()) abort.abort(reason);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return {
    stop: stop.signal,
    abort: abort.signal,
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}

/** Which signal it was. */
export function causeOf({ reason }: AbortSignal): unknown {
  return reason instanceof Error ? reason.cause : undefined;
}
