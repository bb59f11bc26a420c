/** SIGINT and SIGTERM in two steps: `stop` takes nothing new, a second signal aborts what is under way. */
export interface Interrupts extends Disposable {
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
}

export function catchInterrupts(): Interrupts {
  const stop = new AbortController();
  const abort = new AbortController();
  const onSignal = () => (stop.signal.aborted ? abort : stop).abort(new Error("interrupted"));
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  return {
    stop: stop.signal,
    abort: abort.signal,
    [Symbol.dispose]() {
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    },
  };
}
