// Waits for what has to come, but not for ever.

/** Rejects, saying what it waited for, when that takes longer than so many seconds, or when the run is to stop. */
export type Within = <Value>(seconds: number, what: string, promise: Promise<Value>) => Promise<Value>;

export function withinOf(stop: AbortSignal): Within {
  return async (seconds, what, promise) => {
    const settled = new AbortController();
    const timeout = AbortSignal.timeout(seconds * 1_000);
    const gaveUp = new Promise<never>((_, reject) => {
      const options = { signal: settled.signal };
      const giveUp = (): void => reject(new Error(stop.aborted ? "it was stopped" : `waited ${seconds} s for ${what}`));
      timeout.addEventListener("abort", giveUp, options);
      stop.addEventListener("abort", giveUp, options);
      if (stop.aborted) giveUp();
    });
    try {
      return await Promise.race([promise, gaveUp]);
    } finally {
      settled.abort();
    }
  };
}
