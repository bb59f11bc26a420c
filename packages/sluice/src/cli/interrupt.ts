/** SIGINT and SIGTERM in two steps: `stop` takes nothing new, a second signal aborts what is under way. */
export interface Interrupts extends Disposable {
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
}

export function catchInterrupts(signals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM"]): Interrupts {
  const stop = new AbortController();
  const abort = new AbortController();
  const onSignal = (signal: NodeJS.Signals) =>
    (stop.signal.aborted ? abort : stop).abort(new Error("interrupted", { cause: signal }));
  for (const signal of signals) process.on(signal, onSignal);
  return {
    stop: stop.signal,
    abort: abort.signal,
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
