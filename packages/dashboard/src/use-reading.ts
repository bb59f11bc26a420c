import { useEffect, useState } from "preact/hooks";
import { callJson, isAbort, problemWords } from "./api.ts";

export interface Reading<Answer> {
  readonly answer: Answer | undefined;
  /** Why the last reading failed; what was read before stays. */
  readonly problem: string | undefined;
  readonly again: () => void;
}

/** Reads a path, again whenever `mark` changes. An undefined path is not read. */
export function useReading<Answer>(path: string | undefined, mark: unknown): Reading<Answer> {
  const [answer, setAnswer] = useState<Answer>();
  const [problem, setProblem] = useState<string>();
  const [count, setCount] = useState(0);
  useEffect(() => {
    if (path === undefined) return undefined;
    const abort = new AbortController();
    const read = async (): Promise<void> => {
      try {
        setAnswer(await callJson<Answer>(path, { signal: abort.signal }));
        setProblem(undefined);
      } catch (error) {
        if (!isAbort(error)) setProblem(problemWords(error));
      }
    };
    void read();
    return () => abort.abort();
  }, [path, mark, count]);
  return { answer, problem, again: () => setCount(count + 1) };
}
