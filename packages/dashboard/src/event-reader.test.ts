import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { EventParser, readEvents } from "./event-reader.ts";

const text = 'event: overview\nid: 7\ndata: {"a":"ü"}\n\n: still here\n\ndata: plain\n\n';
const expected = [
  { event: "overview", data: '{"a":"ü"}' },
  { event: "message", data: "plain" },
];

test("events are whole wherever their text is cut", () => {
  for (let at = 0; at <= text.length; at += 1) {
    const parser = new EventParser();
    deepEqual([...parser.push(text.slice(0, at)), ...parser.push(text.slice(at))], expected, `cut at ${at}`);
  }
});

test("a character that two chunks share is read as one", async () => {
  const bytes = new TextEncoder().encode(text);
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    for (const byte of bytes) yield await Promise.resolve(Uint8Array.of(byte));
  };
  const events = [];
  for await (const event of readEvents(chunks())) events.push(event);
  deepEqual(events, expected);
});
