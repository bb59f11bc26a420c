// The largest groups of a queue, where it has any: read when the page opens, and again every few seconds. Senders choose the names.
import type { WireGroup, WireGroupList } from "@sluice/client";
import { call } from "./api.ts";
import type { Live } from "./live.ts";
import { useAction } from "./use-action.ts";
import { useReading } from "./use-reading.ts";
import { countWords, groupLimitWords } from "./words.ts";

const shownMax = 10;
const rereadMs = 5_000;

interface OfQueueProps {
  readonly live: Live;
  readonly queue: string;
  readonly now: number;
}

/** Changes whenever what is beside the overview should be read again. */
export function rereadMark({ live, now }: Pick<OfQueueProps, "live" | "now">): string {
  return `${live.returns} ${Math.floor(now / rereadMs)}`;
}

export function GroupTable({ live, queue, now }: OfQueueProps) {
  const path = `/v1/queues/${encodeURIComponent(queue)}/groups`;
  const { answer, again } = useReading<WireGroupList>(`${path}?limit=${shownMax}`, rereadMark({ live, now }));
  const change = useAction(async ({ name, paused }: WireGroup) => {
    await call(`${path}/${encodeURIComponent(name)}/${paused ? "resume" : "pause"}`, { method: "POST" });
    again();
  });
  const groups = answer?.groups ?? [];
  if (groups.every(({ name }) => name === "")) return null;
  return (
    <section aria-labelledby="groups">
      <h2 id="groups">{groups.length < shownMax ? "Groups" : "Largest groups"}</h2>
      <div class="panel scroll" tabIndex={0} role="region" aria-label="Table of groups">
        <table>
          <thead>
            <tr>
              <th scope="col">Group</th>
              <th scope="col" class="number">
                Waiting
              </th>
              <th scope="col" class="number">
                In flight
              </th>
              <th scope="col">Share and limits</th>
              <th scope="col">Deliveries</th>
            </tr>
          </thead>
          <tbody>
            {groups.map((group) => (
              <Row
                key={group.name}
                group={group}
                isRunning={change.isRunning}
                onChange={group.name === "" ? undefined : () => change.run(group)}
              />
            ))}
          </tbody>
        </table>
      </div>
      {change.problem !== undefined && (
        <p class="problem" role="alert">
          {change.problem}
        </p>
      )}
    </section>
  );
}

interface RowProps {
  readonly group: WireGroup;
  readonly isRunning: boolean;
  /** Absent for requests without a group: they are not paused alone. */
  readonly onChange: (() => void) | undefined;
}

function Row({ group, isRunning, onChange }: RowProps) {
  const { name, backlog, inFlight, paused } = group;
  return (
    <tr data-group={name}>
      <td class="clip" title={name}>
        {name === "" ? <span class="quiet">none</span> : <code class="name">{name}</code>}
      </td>
      <td class="number">{countWords(Math.max(0, backlog - inFlight))}</td>
      <td class="number">{countWords(inFlight)}</td>
      <td>{groupLimitWords(group)}</td>
      <td>
        {onChange !== undefined && (
          <button
            type="button"
            aria-label={`${paused ? "Resume" : "Pause"} the group ${name}`}
            aria-disabled={isRunning}
            onClick={onChange}
          >
            {paused ? "Resume" : "Pause"}
          </button>
        )}{" "}
        {paused && <span class="mark mark-warn">Paused</span>}
      </td>
    </tr>
  );
}
