// Requests, newest first, a page at a time. It is read when asked, not with every tick: rows would move under the hand.
import type { WireRequest, WireRequestList, WireState } from "@sluice/client";
import { useState } from "preact/hooks";
import type { Live } from "./live.ts";
import { hashOf } from "./route.ts";
import { useReading } from "./use-reading.ts";
import { bytesWords, countWords, timeWords } from "./words.ts";

const pageSize = 25;

interface RequestTableProps {
  readonly live: Live;
  readonly filter: { readonly queue?: string; readonly state?: WireState; readonly key?: string };
  /** What is said when there is none. */
  readonly empty: string;
}

export function RequestTable({ live, filter, empty }: RequestTableProps) {
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const cursor = cursors.at(-1);
  const query = new URLSearchParams({
    ...filter,
    limit: String(pageSize),
    ...(cursor === undefined ? {} : { cursor }),
  });
  const { answer, problem, again } = useReading<WireRequestList>(`/v1/requests?${query.toString()}`, live.returns);
  const now = Date.parse(live.overview?.at ?? "") || Date.now();
  const next = answer?.nextCursor ?? undefined;
  return (
    <section class="requests" aria-label="Requests">
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {answer?.requests.length === 0 && <p class="quiet">{empty}</p>}
      {answer !== undefined && answer.requests.length > 0 && <Rows requests={answer.requests} now={now} />}
      <p class="pager">
        <button type="button" onClick={again}>
          Read again
        </button>
        <button type="button" disabled={cursors.length === 0} onClick={() => setCursors(cursors.slice(0, -1))}>
          Newer
        </button>
        <button type="button" disabled={next === undefined} onClick={() => next && setCursors([...cursors, next])}>
          Older
        </button>
      </p>
    </section>
  );
}

function Rows({ requests, now }: { readonly requests: readonly WireRequest[]; readonly now: number }) {
  return (
    <div class="panel scroll" tabIndex={0} role="region" aria-label="Table of requests">
      <table>
        <thead>
          <tr>
            <th scope="col">Request</th>
            <th scope="col">State</th>
            <th scope="col" class="number">
              Attempts
            </th>
            <th scope="col">Accepted</th>
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col">Key</th>
            <th scope="col">Last error</th>
          </tr>
        </thead>
        <tbody>
          {requests.map((request) => (
            <tr key={request.id}>
              <td>
                <a class="id" href={hashOf({ kind: "request", id: request.id })}>
                  {request.id}
                </a>
              </td>
              <td>
                <StateMark state={request.state} />
              </td>
              <td class="number">{countWords(request.attempts)}</td>
              <td>{timeWords(request.acceptedAt, now)}</td>
              <td class="number">{bytesWords(request.bytes)}</td>
              <td class="clip">{request.key ?? "–"}</td>
              <td class="clip">{request.lastError === null ? "–" : request.lastError.code}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function StateMark({ state }: { readonly state: WireState }) {
  return <span class={`state state-${state}`}>{state}</span>;
}
