import type { WireQueue } from "@sluice/client";
import { countOf } from "./words.ts";

/** What keeps a queue from being worked, in words that cannot be overlooked. */
export function QueueMarks({ queue }: { readonly queue: WireQueue }) {
  const { paused, workers, breakersOpen, backlog } = queue;
  return (
    <p class="marks">
      {paused && <span class="mark mark-warn">Paused</span>}
      {breakersOpen > 0 && (
        <span class="mark mark-bad" title="The target does not answer: these workers wait until it does">
          Breaker open{breakersOpen < workers && ` at ${countOf(breakersOpen, "worker")}`}
        </span>
      )}
      {workers === 0 && <span class={`mark ${backlog > 0 ? "mark-bad" : "mark-quiet"}`}>No workers</span>}
    </p>
  );
}
