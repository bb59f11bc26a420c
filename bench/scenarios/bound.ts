// What a scenario must reach, and whether it did.
import type { PeerName } from "../peers/peer.ts";
import type { FigureName, Figures } from "./scenario.ts";

export type Bound =
  /** The figure is at least so many times the other peer's. */
  | { readonly kind: "ratio"; readonly of: PeerName; readonly to: PeerName; readonly atLeast: number }
  /** The figure is at least this. */
  | { readonly kind: "floor"; readonly of: PeerName; readonly figure: FigureName; readonly atLeast: number }
  /** The figure is at most this. */
  | { readonly kind: "limit"; readonly of: PeerName; readonly figure: FigureName; readonly atMost: number };

export type FiguresByPeer = Readonly<Partial<Record<PeerName, Figures>>>;
export type Verdict = "reached" | "missed" | "not measured";

export interface JudgeOptions {
  readonly figures: FiguresByPeer;
  /** The scenario's own figure, which ratios are taken of. */
  readonly figure: FigureName;
}

export function judge(bound: Bound, { figures, figure }: JudgeOptions): Verdict {
  switch (bound.kind) {
    case "ratio": {
      const ratio = ratioOf(figures[bound.of]?.[figure], figures[bound.to]?.[figure]);
      return verdictOf(ratio, (value) => value >= bound.atLeast);
    }
    case "floor":
      return verdictOf(figures[bound.of]?.[bound.figure], (value) => value >= bound.atLeast);
    case "limit":
      return verdictOf(figures[bound.of]?.[bound.figure], (value) => value <= bound.atMost);
    default:
      return bound satisfies never;
  }
}

export function ratioOf(value: number | undefined, base: number | undefined): number | undefined {
  return value === undefined || base === undefined || base === 0 ? undefined : value / base;
}

function verdictOf(value: number | undefined, holds: (value: number) => boolean): Verdict {
  if (value === undefined) return "not measured";
  return holds(value) ? "reached" : "missed";
}
