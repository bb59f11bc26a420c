/** What a run tells on standard error while it goes on. */
export interface Progress {
  readonly tell: (line: string) => void;
  /** Tells why it failed; returns the exit code. */
  readonly failed: (error: unknown) => number;
  /** Tells that somebody stopped it, and that all is cleaned up; returns the exit code. */
  readonly stopped: () => number;
}

/** As a shell has it for what a Ctrl-C ended. */
const interrupted = 130;

export function openProgress(): Progress {
  const startedAt = performance.now();
  const tell = (line: string): void => {
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    process.stderr.write(`${seconds.padStart(7)} s  ${line}\n`);
  };
  const failed = (error: unknown): number => {
    tell(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return 1;
  };
  const stopped = (): number => {
    tell("stopped, and cleaned up");
    return interrupted;
  };
  return { tell, failed, stopped };
}
