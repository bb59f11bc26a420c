import { useState } from "preact/hooks";
import { problemWords } from "./api.ts";

export interface Action<Arguments extends readonly unknown[]> {
  readonly run: (...args: Arguments) => void;
  readonly isRunning: boolean;
  /** Why the last run failed, in words. */
  readonly problem: string | undefined;
}

/** Something a person asks for: one at a time, and what fails is said. */
export function useAction<Arguments extends readonly unknown[]>(
  act: (...args: Arguments) => Promise<void>,
): Action<Arguments> {
  const [isRunning, setRunning] = useState(false);
  const [problem, setProblem] = useState<string>();
  const run = (...args: Arguments): void => {
    if (isRunning) return;
    setRunning(true);
    setProblem(undefined);
    act(...args)
      .catch((error: unknown) => setProblem(problemWords(error)))
      .finally(() => setRunning(false));
  };
  return { run, isRunning, problem };
}
