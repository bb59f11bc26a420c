import type { WireFailedAttempt, WireRequest } from "@sluice/client";
import { stepsOf } from "./steps.ts";
import { timeWords } from "./words.ts";

interface TimelineProps {
  readonly request: WireRequest;
  readonly failures: readonly WireFailedAttempt[];
  readonly now: number;
}

export function Timeline({ request, failures, now }: TimelineProps) {
  return (
    <section aria-labelledby="timeline">
      <h2 id="timeline">Timeline</h2>
      <ol class="timeline panel">
        {stepsOf(request, failures).map(({ kind, title, at, error }) => (
          <li key={`${kind} ${title}`} class={`step step-${kind}`}>
            <p>
              <b>{title}</b>
              {at !== undefined && <time dateTime={at}>{timeWords(at, now)}</time>}
            </p>
            {error !== undefined && (
              <p class="message">
                <code>{error.code}</code> {error.message}
              </p>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}
