/** Lets one waiter sleep until something happened or a time has passed, whichever is first. */
export class Signal {
  #wake: (() => void) | undefined;

  fire(): void {
    this.#wake?.();
  }

  /** Infinite waits end by `fire` only. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = Number.isFinite(ms) ? setTimeout(() => this.fire(), ms) : undefined;
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
