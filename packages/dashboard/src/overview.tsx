import type { WireQueue } from "@sluice/client";
import { BacklogChart } from "./chart.tsx";
import { Law } from "./law.tsx";
import type { Curve, Live } from "./live.ts";
import { QueueMarks } from "./queue-marks.tsx";
import { hashOf } from "./route.ts";
import { ScheduleTable } from "./schedule-table.tsx";
import { countWords, durationWords, forecastWords, measuredWords } from "./words.ts";

export function Overview({ live }: { readonly live: Live }) {
  const { overview, curves } = live;
  if (overview === undefined) return <p class="quiet">Reading the queues.</p>;
  const now = Date.parse(overview.at);
  return (
    <>
      <h1 class="sr-only">Overview</h1>
      <Law live={live} />
      <h2>Queues</h2>
      {overview.queues.length === 0 && <p class="quiet">No queue is configured, and none was ever used.</p>}
      <ul class="cards">
        {overview.queues.map((queue) => (
          <li key={queue.name}>
            <QueueCard queue={queue} curve={curves.get(queue.name)} now={now} />
          </li>
        ))}
      </ul>
      <ScheduleTable live={live} now={now} />
    </>
  );
}

interface QueueCardProps {
  readonly queue: WireQueue;
  readonly curve: Curve | undefined;
  readonly now: number;
}

function QueueCard({ queue, curve, now }: QueueCardProps) {
  const { name, backlog, rates, forecast, workers, oldestWaitingAt, counts } = queue;
  return (
    <article class="panel card">
      <header>
        <h3>
          <a href={hashOf({ kind: "queue", queue: name, state: undefined })}>{name}</a>
        </h3>
        <QueueMarks queue={queue} />
      </header>
      <p class="headline">
        <strong data-figure="backlog">{countWords(backlog)}</strong> in the backlog
        <span class={`forecast forecast-${forecast.kind}`} data-figure="forecast">
          {forecastWords({ forecast, now })}
        </span>
      </p>
      <BacklogChart queue={name} curve={curve} />
      <dl class="facts">
        <Fact name="Arriving" value={measuredWords(rates.accepted.m1, rates.observedSeconds)} />
        <Fact name="Completing" value={measuredWords(rates.finished.m1, rates.observedSeconds)} />
        <Fact name="Workers" value={countWords(workers)} />
        <Fact
          name="Oldest waiting"
          value={oldestWaitingAt === null ? "–" : durationWords(now - Date.parse(oldestWaitingAt))}
        />
        <div>
          <dt>Dead</dt>
          <dd class={counts.dead > 0 ? "bad" : ""}>
            {counts.dead > 0 ? (
              <a href={hashOf({ kind: "queue", queue: name, state: "dead" })} data-figure="dead">
                {countWords(counts.dead)}
              </a>
            ) : (
              <span data-figure="dead">0</span>
            )}
          </dd>
        </div>
        <Fact name="Done" value={countWords(counts.done)} />
      </dl>
    </article>
  );
}

export function Fact({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
