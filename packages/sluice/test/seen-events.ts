// Reads server-sent events as they come over the wire.
import assert from "node:assert/strict";

export interface SeenEvent {
  readonly event: string | undefined;
  readonly id: string | undefined;
  // oxlint-disable-next-line typescript/no-explicit-any -- what came over the wire has no type
  readonly data: any;
}

/** Reads one server-sent event after the other; ends with the stream. */
export async function* eventsOf(response: Response): AsyncGenerator<SeenEvent> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks.filter((part) => !part.startsWith(":"))) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2)));
      yield { event: fields["event"], id: fields["id"], data: JSON.parse(fields["data"]) };
    }
  }
}

export async function nextOf(events: AsyncGenerator<SeenEvent>): Promise<SeenEvent> {
  const { value, done: isDone } = await events.next();
  assert.ok(!isDone, "the stream ended");
  return value;
}

/** The next one of this name; others are passed over. */
export async function nextNamed(events: AsyncGenerator<SeenEvent>, name: string): Promise<SeenEvent> {
  for (;;) {
    const event = await nextOf(events);
    if (event.event === name) return event;
  }
}
