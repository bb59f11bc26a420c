import type { WireQueue, WireState } from "@sluice/client";
import { call } from "./api.ts";
import { BacklogChart, RatesChart } from "./chart.tsx";
import { DeadLetters } from "./dead-letters.tsx";
import { GroupTable } from "./group-table.tsx";
import { HeldOrders } from "./held-orders.tsx";
import type { Live } from "./live.ts";
import { Fact } from "./overview.tsx";
import { QueueMarks } from "./queue-marks.tsx";
import { RequestTable } from "./request-table.tsx";
import { hashOf, states } from "./route.ts";
import { useAction } from "./use-action.ts";
import {
  besideWords,
  bytesWords,
  countWords,
  durationWords,
  forecastWords,
  measuredWords,
  observedWords,
  rateWords,
} from "./words.ts";

interface QueuePageProps {
  readonly live: Live;
  readonly name: string;
  readonly state: WireState | undefined;
}

export function QueuePage({ live, name, state }: QueuePageProps) {
  const { overview, curves } = live;
  if (overview === undefined) return <p class="quiet">Reading the queue.</p>;
  const queue = overview.queues.find((other) => other.name === name);
  if (queue === undefined) {
    return (
      <>
        <h1>{name}</h1>
        <p>There is no queue of this name.</p>
      </>
    );
  }
  const now = Date.parse(overview.at);
  const curve = curves.get(name);
  return (
    <>
      <Head queue={queue} now={now} />
      <States queue={queue} shown={state} />
      <div class="charts">
        <figure class="panel">
          <figcaption>Backlog</figcaption>
          <BacklogChart queue={name} curve={curve} heightPx={180} />
        </figure>
        <figure class="panel">
          <figcaption>
            <span class="key key-accent">
              Arriving {measuredWords(queue.rates.accepted.m1, queue.rates.observedSeconds)}
            </span>
            <span class="key key-good">
              Completing {measuredWords(queue.rates.finished.m1, queue.rates.observedSeconds)}
            </span>
          </figcaption>
          <RatesChart queue={name} curve={curve} />
        </figure>
      </div>
      <Facts queue={queue} now={now} />
      <GroupTable key={`groups of ${name}`} live={live} queue={name} now={now} />
      <HeldOrders key={`orders of ${name}`} live={live} queue={name} now={now} />
      <DeadLetters queue={name} dead={queue.counts.dead} now={now} />
      <h2 id="requests">{state === undefined ? "Requests" : `Requests: ${state}`}</h2>
      <RequestTable
        key={state ?? "all"}
        live={live}
        filter={{ queue: name, ...(state === undefined ? {} : { state }) }}
        empty={state === undefined ? "No request was sent here yet." : `No request is ${state}.`}
      />
    </>
  );
}

function Head({ queue, now }: { readonly queue: WireQueue; readonly now: number }) {
  const { name, paused, backlog, forecast } = queue;
  const path = `/v1/queues/${encodeURIComponent(name)}`;
  const move = useAction(async () => void (await call(`${path}/${paused ? "resume" : "pause"}`, { method: "POST" })));
  return (
    <header class="page-head">
      <div>
        <h1>{name}</h1>
        <QueueMarks queue={queue} />
        <p class="headline">
          <strong>{countWords(backlog)}</strong> in the backlog
          <span class={`forecast forecast-${forecast.kind}`}>{forecastWords({ forecast, now })}</span>
        </p>
      </div>
      <div class="actions">
        <button type="button" aria-disabled={move.isRunning} onClick={() => move.run()}>
          {paused ? "Resume deliveries" : "Pause deliveries"}
        </button>
        {paused && <p class="quiet">Requests are taken in; none is handed on.</p>}
        {move.problem !== undefined && (
          <p class="problem" role="alert">
            {move.problem}
          </p>
        )}
      </div>
    </header>
  );
}

function States({
  queue: { name, accepted, counts, deliveries },
  shown,
}: {
  readonly queue: WireQueue;
  readonly shown: WireState | undefined;
}) {
  return (
    <nav class="states" aria-label="Requests by state">
      <a href={hashOf({ kind: "queue", queue: name, state: undefined })} aria-current={shown === undefined && "true"}>
        <b>{countWords(accepted)}</b> accepted
      </a>
      {states.map((state) => (
        <a
          key={state}
          class={`term-${state}`}
          href={hashOf({ kind: "queue", queue: name, state })}
          aria-current={shown === state && "true"}
        >
          <b data-count={state} data-any={counts[state] > 0 || undefined}>
            {countWords(state === "running" ? deliveries.running : counts[state])}
          </b>{" "}
          {state}
          {state === "running" && besideWords(deliveries)}
        </a>
      ))}
    </nav>
  );
}

function Facts({ queue, now }: { readonly queue: WireQueue; readonly now: number }) {
  const { oldestWaitingAt, workers, breakersOpen, ratePerHour, backlogBytes, rates } = queue;
  const observed = observedWords(rates.observedSeconds);
  return (
    <dl class="facts panel">
      <Fact
        name="Oldest waiting"
        value={oldestWaitingAt === null ? "–" : durationWords(now - Date.parse(oldestWaitingAt))}
      />
      <Fact name="Workers" value={countWords(workers)} />
      <Fact name="Breakers open" value={countWords(breakersOpen)} />
      <Fact name="Set rate" value={ratePerHour === null ? "none" : rateWords(ratePerHour)} />
      <Fact name="Size of the backlog" value={bytesWords(backlogBytes)} />
      <Fact name={`Arrived, ${observed}`} value={countWords(rates.accepted.h1)} />
      <Fact name={`Completed, ${observed}`} value={countWords(rates.finished.h1)} />
    </dl>
  );
}
