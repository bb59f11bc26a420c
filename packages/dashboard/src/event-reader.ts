// Reads server-sent events from the body of a fetch, which unlike EventSource can carry a key.

export interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent, void, undefined> {
  const decoder = new TextDecoder();
  const parser = new EventParser();
  for await (const chunk of body) yield* parser.push(decoder.decode(chunk, { stream: true }));
}

/** Takes the text wherever it is cut, and gives back the events that are whole. */
export class EventParser {
  #rest = "";

  push(text: string): readonly ServerEvent[] {
    const blocks = (this.#rest + text).split("\n\n");
    this.#rest = blocks.pop() ?? "";
    return blocks.flatMap(eventOf);
  }
}

/** None for a comment. */
function eventOf(block: string): readonly ServerEvent[] {
  const valuesOf = (name: string): string[] =>
    block.split("\n").flatMap((line) => (line.startsWith(`${name}: `) ? [line.slice(name.length + 2)] : []));
  const data = valuesOf("data");
  return data.length === 0 ? [] : [{ event: valuesOf("event")[0] ?? "message", data: data.join("\n") }];
}
