// Notes results on the way: what was once read may never change again. It owns its connection and a few ids.
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "undici";
import { sha256Of } from "../parcel.ts";
import type { Books } from "./books.ts";
import type { DaySender } from "./day-sender.ts";
import { resultText } from "./read-back.ts";

const everyMs = 100;
const waitingMax = 10_000;

/** Picks one of the newest receipts now and then, and reads its result once it is there, until the signal aborts. */
export async function noteResults(
  { url, books, sender }: { readonly url: string; readonly books: Books; readonly sender: DaySender },
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const client = new Client(url);
  const waiting: string[] = [];
  while (!signal.aborted) {
    if (sender.lastId !== undefined && sender.lastId !== waiting.at(-1) && waiting.length < waitingMax)
      waiting.push(sender.lastId);
    const [oldest] = waiting;
    const text = oldest === undefined ? undefined : await resultText(client, oldest).catch(() => undefined); // killed
    if (oldest !== undefined && text !== undefined) {
      waiting.shift();
      await books.append({ kind: "result", id: oldest, resultHash: sha256Of(Buffer.from(text)) });
    }
    await delay(everyMs, undefined, { signal }).catch(() => undefined); // told by the signal
  }
  await client.destroy();
}
