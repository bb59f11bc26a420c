// The order keys of a queue that a dead request holds, where there are any, and their release.
import type { WireHeldOrder, WireHeldOrderList } from "@sluice/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "./api.ts";
import { rereadMark } from "./group-table.tsx";
import type { Live } from "./live.ts";
import { hashOf } from "./route.ts";
import { useAction } from "./use-action.ts";
import { useReading } from "./use-reading.ts";
import { agoWords, countWords, timeWords } from "./words.ts";

const shownMax = 20;
const countedMax = 1_000;

interface HeldOrdersProps {
  readonly live: Live;
  readonly queue: string;
  readonly now: number;
}

export function HeldOrders({ live, queue, now }: HeldOrdersProps) {
  const path = `/v1/queues/${encodeURIComponent(queue)}/orders`;
  const reading = useReading<WireHeldOrderList>(`${path}?limit=${shownMax + 1}`, rereadMark({ live, now }));
  const [asked, setAsked] = useState<string>();
  const [told, setTold] = useState<string>();
  const heading = useRef<HTMLHeadingElement>(null);
  const orders = reading.answer?.orders ?? [];
  if (orders.length === 0 && told === undefined) return null;
  return (
    <section aria-labelledby="held-orders">
      <h2 id="held-orders" ref={heading} tabIndex={-1}>
        Held order keys
      </h2>
      <ul class="groups">
        {orders.slice(0, shownMax).map((held) => (
          <li key={held.order} class="panel group" data-order={held.order}>
            <Held held={held} now={now} />
            {asked === held.order ? (
              <Release
                path={`${path}/${encodeURIComponent(held.order)}/release`}
                onEnd={(isReleased) => {
                  setAsked(undefined);
                  if (isReleased) {
                    setTold(`The key ${held.order} is released.`);
                    reading.again();
                  }
                  heading.current?.focus();
                }}
              />
            ) : (
              <button type="button" aria-label={`Release the key ${held.order}…`} onClick={() => setAsked(held.order)}>
                Release…
              </button>
            )}
          </li>
        ))}
      </ul>
      {orders.length > shownMax && <p class="quiet">These are the first {shownMax}, by their names; there are more.</p>}
      <p class="told" role="status">
        {told}
      </p>
    </section>
  );
}

function Held({
  held: { order, heldBy, heldSince, waiting },
  now,
}: {
  readonly held: WireHeldOrder;
  readonly now: number;
}) {
  return (
    <div class="group-words">
      <p>
        <code class="name">{order}</code>
      </p>
      <p class="quiet">
        Held by the dead request <a href={hashOf({ kind: "request", id: heldBy })}>{heldBy}</a> since{" "}
        <time title={timeWords(heldSince, now)}>{agoWords(heldSince, now)}</time>.{" "}
        {waiting >= countedMax ? `${countWords(countedMax)} or more wait` : `${countWords(waiting)} waiting`}.
      </p>
    </div>
  );
}

interface ReleaseProps {
  readonly path: string;
  readonly onEnd: (isReleased: boolean) => void;
}

function Release({ path, onEnd }: ReleaseProps) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []); // the button that was pressed is gone
  const release = useAction(async () => {
    await call(path, { method: "POST" });
    onEnd(true);
  });
  return (
    <div class="replay" role="group" aria-label="Release this key">
      <p>The next request of this key runs. The dead one stays dead; to run it again as well, replay it instead.</p>
      <button
        type="button"
        class="primary"
        ref={button}
        aria-disabled={release.isRunning}
        onClick={() => release.run()}
      >
        Release the key
      </button>
      <button type="button" onClick={() => onEnd(false)}>
        Leave it held
      </button>
      {release.problem !== undefined && (
        <p class="problem" role="alert">
          {release.problem}
        </p>
      )}
    </div>
  );
}
