import type { Figures } from "./checker.ts";

/** The figures of several stages as one. */
export function sumFigures(all: readonly Figures[]): Figures {
  return all.reduce((sum, figures) => {
    const names = Object.keys(figures) as (keyof Figures)[];
    const added: Record<keyof Figures, number> = { ...figures };
    for (const name of names) added[name] += sum[name];
    return added;
  });
}
