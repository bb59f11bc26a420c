// What processes tell each other: which requests changed, for who watches them, and that queues were paused or resumed. Best
// effort: the ledger has the truth, and a process that missed a notice finds it there.
import { parseRequestId, type RequestId } from "../../../core/request-id.ts";
import { states } from "../../../core/request.ts";
import type { Change } from "../../../engine/engine.ts";

export interface Notice {
  readonly id: RequestId;
  readonly change: Change;
}

export interface Notices extends AsyncDisposable {
  /** Returns at once, and never throws. */
  publish(changes: readonly Notice[]): void;
  publishQueues(): void;
  /** Somebody watches from now on: what other processes tell is passed on, for as long as `isWatched` says so. */
  listen(): void;
}

export interface NoticesOptions {
  /** Tells this process from the others, so that it does not hear itself. */
  readonly origin: string;
  /** Called with each change that another process tells. */
  readonly onChange: (id: RequestId, change: Change) => void;
}

/** `<id> done 1767225600000`, or `<id> {"percent":10}`. It has no line break. */
export function lineOf({ id, change }: Notice): string {
  return change.kind === "state" ? `${id} ${change.state} ${change.at}` : `${id} ${jsonOf(change.progress)}`;
}

/** Passes over what is of another version of Sluice. */
export function noticesIn(lines: readonly string[]): readonly Notice[] {
  return lines.flatMap((line) => noticeIn(line) ?? []);
}

const idLength = 36;

function noticeIn(line: string): Notice | undefined {
  const id = parseRequestId(line.slice(0, idLength));
  if (id === undefined) return undefined;
  const rest = line.slice(idLength + 1);
  const space = rest.indexOf(" ");
  const state = states.find((name) => name === rest.slice(0, space));
  const at = Number(rest.slice(space + 1));
  if (state !== undefined && Number.isSafeInteger(at)) return { id, change: { kind: "state", state, at } };
  try {
    return { id, change: { kind: "progress", progress: JSON.parse(rest) } };
  } catch {
    return undefined;
  }
}

/** What JSON does not know is told as null. */
function jsonOf(progress: unknown): string {
  try {
    return JSON.stringify(progress) ?? "null";
  } catch {
    return "null";
  }
}
