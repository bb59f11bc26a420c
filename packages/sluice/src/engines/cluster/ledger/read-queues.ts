import type { QueueStatus } from "../../../engine/engine.ts";
import type { Parts } from "../parts.ts";

/** Every queue, or this one: what the ledger holds of it, the rates of all processes together, and the workers as of the last beat. */
export async function readQueues(parts: Parts, now: number, queue?: string): Promise<readonly QueueStatus[]> {
  if (queue?.includes("\0")) return []; // PostgreSQL has no such text, and none is called that
  const { backlogReader, reading, traffic, session } = parts;
  await traffic.read(reading, queue);
  const stored = await backlogReader.read(reading, now, queue);
  return stored.map(({ no: _no, leftAt, ...status }) => {
    const { accepting, finishing } = traffic.of(status.queue);
    const counted = { accepting: accepting.counts(), finishing: finishing.counts() };
    return { ...status, ...session.attendanceOf(status.queue, leftAt), ...counted };
  });
}
