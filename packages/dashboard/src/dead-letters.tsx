// The dead requests of a queue by their error, and their replay: never without a dry run before it.
import type { WireDeadGroup, WireDeadGroups, WireReplayAnswer } from "@sluice/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { callJson } from "./api.ts";
import { hashOf } from "./route.ts";
import { useAction } from "./use-action.ts";
import { useReading } from "./use-reading.ts";
import { agoWords, countOf, countWords } from "./words.ts";

interface DeadLettersProps {
  readonly queue: string;
  /** How many are dead now: with each change the groups are read again. */
  readonly dead: number;
  readonly now: number;
}

export function DeadLetters({ queue, dead, now }: DeadLettersProps) {
  const path = `/v1/queues/${encodeURIComponent(queue)}/dead`;
  const { answer, problem } = useReading<WireDeadGroups>(dead > 0 ? path : undefined, dead);
  const [asked, setAsked] = useState<string>();
  const [told, setTold] = useState<string>();
  const heading = useRef<HTMLHeadingElement>(null);
  const groups = dead === 0 ? [] : (answer?.groups ?? []);
  return (
    <section aria-labelledby="dead-letters">
      <h2 id="dead-letters" ref={heading} tabIndex={-1}>
        Dead letters
      </h2>
      {dead === 0 && <p class="quiet">No request is dead.</p>}
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <ul class="groups">
        {groups.map((group) => (
          <li key={group.error} class="panel group" data-error={group.error}>
            <Group group={group} now={now} />
            {asked === group.error ? (
              <Replay
                queue={queue}
                group={group}
                onEnd={(words) => {
                  setAsked(undefined);
                  setTold(words);
                  heading.current?.focus();
                }}
              />
            ) : (
              <button type="button" class="ask" onClick={() => setAsked(group.error)}>
                Replay…
              </button>
            )}
          </li>
        ))}
      </ul>
      <p class="told" role="status">
        {told}
      </p>
    </section>
  );
}

function Group({ group: { error, count, newest }, now }: { readonly group: WireDeadGroup; readonly now: number }) {
  return (
    <div class="group-words">
      <p>
        <b class="bad">{countWords(count)}</b> × <code>{error}</code>
      </p>
      <p class="message">{newest.message}</p>
      <p class="quiet">
        The newest is <a href={hashOf({ kind: "request", id: newest.id })}>{newest.id}</a>, dead{" "}
        {agoWords(newest.at, now)}.
      </p>
    </div>
  );
}

interface ReplayProps {
  readonly queue: string;
  readonly group: WireDeadGroup;
  readonly onEnd: (words: string | undefined) => void;
}

function Replay({ queue, group: { error, count }, onEnd }: ReplayProps) {
  const [limit, setLimit] = useState(Math.min(count, 1_000));
  const [found, setFound] = useState<WireReplayAnswer>();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []); // the button that was pressed is gone
  const path = `/v1/queues/${encodeURIComponent(queue)}/replay`;
  const order = (dryRun: boolean): Promise<WireReplayAnswer> =>
    callJson<WireReplayAnswer>(path, { method: "POST", json: { error, limit, dryRun } });
  const dryRun = useAction(async () => setFound(await order(true)));
  const replay = useAction(async () => {
    const { replayed } = await order(false);
    onEnd(`${countOf(replayed, "request")} with ${error} ${replayed === 1 ? "waits" : "wait"} again.`);
  });
  const problem = dryRun.problem ?? replay.problem;
  return (
    <form
      class="replay"
      aria-label={`Replay dead requests with ${error}`}
      onSubmit={(event) => (event.preventDefault(), dryRun.run())}
    >
      <label>
        At most
        <input
          type="number"
          min="1"
          max="1000000"
          required
          value={limit}
          ref={input}
          onInput={(event) => {
            setLimit(event.currentTarget.valueAsNumber);
            setFound(undefined);
          }}
        />
        of the oldest
      </label>
      <button type="submit" class={found === undefined ? "primary" : ""} aria-disabled={dryRun.isRunning}>
        Dry run
      </button>
      {found !== undefined && (
        <p role="status" data-figure="dry-run">
          Dry run: {countWords(found.matched)} of {countOf(found.total, "dead request")} would run again (limit{" "}
          {countWords(found.limit)}), with the same ids and fresh attempts. Nothing has changed yet.
        </p>
      )}
      {found !== undefined && found.matched > 0 && (
        <button type="button" class="primary" aria-disabled={replay.isRunning} onClick={() => replay.run()}>
          Replay {countOf(found.matched, "request")}
        </button>
      )}
      <button type="button" onClick={() => onEnd(undefined)}>
        Leave them
      </button>
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}
