// The schedules, where there are any: read when the page opens and once a minute.
import type { WireSchedule, WireScheduleList } from "@sluice/client";
import type { Live } from "./live.ts";
import { hashOf } from "./route.ts";
import { useReading } from "./use-reading.ts";
import { agoWords, inWords, timeWords } from "./words.ts";

export function ScheduleTable({ live, now }: { readonly live: Live; readonly now: number }) {
  const mark = `${live.returns} ${Math.floor(now / 60_000)}`;
  const schedules = useReading<WireScheduleList>("/v1/schedules", mark).answer?.schedules ?? [];
  if (schedules.length === 0) return null;
  return (
    <section aria-labelledby="schedules">
      <h2 id="schedules">Schedules</h2>
      <div class="panel scroll" tabIndex={0} role="region" aria-label="Table of schedules">
        <table>
          <thead>
            <tr>
              <th scope="col">Schedule</th>
              <th scope="col">Queue</th>
              <th scope="col">Times</th>
              <th scope="col">Next</th>
              <th scope="col">Last</th>
            </tr>
          </thead>
          <tbody>
            {schedules.map((schedule) => (
              <Row key={schedule.name} schedule={schedule} now={now} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Row({ schedule, now }: { readonly schedule: WireSchedule; readonly now: number }) {
  const { name, queue, cron, every, timeZone, nextAt, lastAt, lastId } = schedule;
  return (
    <tr data-schedule={name}>
      <td>{name}</td>
      <td>
        <a href={hashOf({ kind: "queue", queue, state: undefined })}>{queue}</a>
      </td>
      <td>{cron === undefined ? `every ${every}` : `${cron} (${timeZone})`}</td>
      <td>{nextAt === null ? "–" : <time title={timeWords(nextAt, now)}>{inWords(nextAt, now)}</time>}</td>
      <td>
        {lastAt === null || lastId === null ? (
          "–"
        ) : (
          <a href={hashOf({ kind: "request", id: lastId })} title={timeWords(lastAt, now)}>
            {agoWords(lastAt, now)}
          </a>
        )}
      </td>
    </tr>
  );
}
