// The law of conservation over all queues, with the verdict of the last audit.
import type { WireAudit, WireCounts, WireQueue } from "@sluice/client";
import { callJson } from "./api.ts";
import type { Live } from "./live.ts";
import { states } from "./route.ts";
import { useAction } from "./use-action.ts";
import { agoWords, countOf, countWords } from "./words.ts";

export function Law({ live: { overview, audit } }: { readonly live: Live }) {
  const check = useAction(async () => void (await callJson<WireAudit>("/v1/audit")));
  const queues = overview?.queues ?? [];
  const now = Date.parse(overview?.at ?? "");
  const missing = audit?.queues.reduce((sum, queue) => sum + queue.missing, 0) ?? 0;
  return (
    <section class="panel law" aria-labelledby="law">
      <h2 id="law">The law</h2>
      <p class="equation">
        <Term name="accepted" count={sumOf(queues, ({ accepted }) => accepted)} />
        {states.map((state, index) => (
          <>
            <span class="sign">{index === 0 ? "=" : "+"}</span>
            <Term name={state} count={sumOf(queues, ({ counts }) => counts[state])} />
          </>
        ))}
      </p>
      <div class="verdict">
        {audit === undefined ? (
          <p>Not counted row by row yet.</p>
        ) : (
          <p>
            <strong class={`mark ${audit.holds ? "mark-good" : "mark-bad"}`} data-figure="verdict">
              {audit.holds ? "Holds" : "Broken"}
            </strong>{" "}
            {missing === 0 ? "Nothing is missing" : `${countOf(missing, "request")} missing`}
            {audit.findings > 0 && `, ${countOf(audit.findings, "finding")}: sluice audit names them`}. Counted row by
            row {agoWords(audit.at, now)}.
          </p>
        )}
        <button type="button" aria-disabled={check.isRunning} onClick={() => check.run()}>
          {check.isRunning ? "Counting" : "Count now"}
        </button>
        {check.problem !== undefined && (
          <p class="problem" role="alert">
            {check.problem}
          </p>
        )}
      </div>
    </section>
  );
}

function Term({ name, count }: { readonly name: string; readonly count: number }) {
  return (
    <span class={`term term-${name}`}>
      <b>{countWords(count)}</b> {name}
    </span>
  );
}

function sumOf(
  queues: readonly WireQueue[],
  count: (queue: { accepted: number; counts: WireCounts }) => number,
): number {
  return queues.reduce((sum, queue) => sum + count(queue), 0);
}
