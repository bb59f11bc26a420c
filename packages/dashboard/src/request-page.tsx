import type { WireAttempts, WireRequest } from "@sluice/client";
import { useEffect, useState } from "preact/hooks";
import { call, chunksOf, isAbort } from "./api.ts";
import { ContentView } from "./content-view.tsx";
import { readEvents } from "./event-reader.ts";
import type { Live } from "./live.ts";
import { Fact } from "./overview.tsx";
import { StateMark } from "./request-table.tsx";
import { hashOf } from "./route.ts";
import { Timeline } from "./timeline.tsx";
import { useAction } from "./use-action.ts";
import { useReading } from "./use-reading.ts";
import { bytesWords, countWords, inWords, timeAheadWords } from "./words.ts";

export function RequestPage({ live, id }: { readonly live: Live; readonly id: string }) {
  const path = `/v1/requests/${encodeURIComponent(id)}`;
  const [moves, setMoves] = useState(0);
  const changes = useChanges(path, `${live.returns} ${moves}`);
  const mark = `${live.returns} ${changes} ${moves}`;
  const { answer: request, problem } = useReading<WireRequest>(path, mark);
  const attempts = useReading<WireAttempts>(request && `${path}/attempts`, mark);
  if (request === undefined) {
    return (
      <>
        <h1 class="id">{id}</h1>
        {problem === undefined ? <p class="quiet">Reading the request.</p> : <p role="alert">{problem}</p>}
      </>
    );
  }
  const now = Math.max(Date.parse(live.overview?.at ?? "") || 0, Date.parse(request.acceptedAt));
  return (
    <>
      <Head request={request} path={path} onMoved={() => setMoves(moves + 1)} />
      <Facts request={request} now={now} />
      <div class="columns">
        <Timeline request={request} failures={attempts.answer?.failures ?? []} now={now} />
        <div>
          <KeptHeaders headers={request.headers ?? {}} />
          <ContentView title="Body" path={`${path}/body`} name="body" id={id} mark="" />
          {request.state === "done" && (
            <ContentView title="Result" path={`${path}/result`} name="result" id={id} mark={request.finishedAt ?? ""} />
          )}
        </div>
      </div>
    </>
  );
}

function KeptHeaders({ headers }: { readonly headers: Readonly<Record<string, string>> }) {
  const entries = Object.entries(headers);
  if (entries.length === 0) return null;
  return (
    <details class="panel kept-headers">
      <summary>{entries.length === 1 ? "1 header" : `${countWords(entries.length)} headers`}</summary>
      <pre>{entries.map(([name, value]) => `${name}: ${value}`).join("\n")}</pre>
    </details>
  );
}

/** Counts what its event stream tells, until the request is final; followed anew when `mark` changes. */
function useChanges(path: string, mark: string): number {
  const [changes, setChanges] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    const follow = async (): Promise<void> => {
      const { body } = await call(`${path}/events`, { signal: abort.signal });
      for await (const _event of readEvents(chunksOf(body))) setChanges((count) => count + 1);
    };
    // The reading beside it says what is wrong; the page's own stream finds out when the gateway is back.
    follow().catch((error: unknown) => isAbort(error) || undefined);
    return () => abort.abort();
  }, [path, mark]);
  return changes;
}

interface HeadProps {
  readonly request: WireRequest;
  readonly path: string;
  readonly onMoved: () => void;
}

function Head({ request: { id, queue, state, progress }, path, onMoved }: HeadProps) {
  const move = useAction(async (verb: "replay" | "cancel") => {
    await call(`${path}/${verb}`, { method: "POST" });
    onMoved();
  });
  const isCancellable = state === "waiting" || state === "scheduled";
  return (
    <header class="page-head">
      <div>
        <p class="crumb">
          <a href={hashOf({ kind: "queue", queue, state: undefined })}>{queue}</a>
        </p>
        <h1 class="id">{id}</h1>
        <p role="status">
          <StateMark state={state} />
        </p>
        {progress !== null && <pre class="progress">{JSON.stringify(progress)}</pre>}
      </div>
      <div class="actions">
        {state === "dead" && (
          <button type="button" class="primary" aria-disabled={move.isRunning} onClick={() => move.run("replay")}>
            Replay
          </button>
        )}
        {isCancellable && (
          <button type="button" aria-disabled={move.isRunning} onClick={() => move.run("cancel")}>
            Cancel this request
          </button>
        )}
        {move.problem !== undefined && (
          <p class="problem" role="alert">
            {move.problem}
          </p>
        )}
      </div>
    </header>
  );
}

function Facts({ request, now }: { readonly request: WireRequest; readonly now: number }) {
  const { key, sender, attempts, contentType, bytes, method, path, expectedBy } = request;
  const { order = null, group = null, priority = null, notBefore = null, expires = null } = request;
  return (
    <dl class="facts panel">
      {typeof method === "string" && <Fact name="Sent as" value={`${method} ${path ?? ""}`} />}
      <Fact name="Key" value={key ?? "none"} />
      {sender !== null && <Fact name="Sender" value={sender} />}
      <Fact name="Attempts" value={countWords(attempts)} />
      <Fact name="Content type" value={contentType} />
      <Fact name="Size" value={bytesWords(bytes)} />
      {order !== null && <Fact name="Order key" value={order} />}
      {group !== null && <Fact name="Group" value={group} />}
      {priority !== null && <Fact name="Urgency (0 to 7)" value={String(priority)} />}
      {notBefore !== null && <Fact name="Not before" value={timeAheadWords(notBefore, now)} />}
      {expires !== null && <Fact name="Expires" value={timeAheadWords(expires, now)} />}
      {expectedBy !== null && <Fact name="Expected" value={inWords(expectedBy, now)} />}
    </dl>
  );
}
