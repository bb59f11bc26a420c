// Sends what the ledger holds, many at once. What gets no answer is sent again under the same key.
import { setTimeout as sleep } from "node:timers/promises";
import { SluiceClientError } from "@sluice/client";
import type { SluiceClient } from "@sluice/client";
import { eventTypeOf } from "../webhooks.ts";
import type { Entry, Ledger } from "./ledger.ts";
import type { Server } from "./server.ts";

const underWayMax = 64;
const attemptsMax = 20;
const pauseMs = 100;

export interface SendOptions {
  readonly ledger: Ledger;
  readonly client: SluiceClient;
  readonly server: Server;
  readonly signal: AbortSignal;
}

/** Resolves once every entry of the ledger is accepted. */
export async function send(options: SendOptions): Promise<void> {
  const entries = options.ledger.entries.values(); // shared, so that each sender takes the next one
  const sendNext = async (): Promise<void> => {
    for (const entry of entries) await sendOne(entry, options);
  };
  await Promise.all(Array.from({ length: underWayMax }, sendNext));
}

async function sendOne(entry: Entry, { ledger, client, server, signal }: SendOptions): Promise<void> {
  const { key, webhook } = entry;
  const headers = {
    "ce-specversion": "1.0",
    "ce-id": key,
    "ce-source": webhook.payload.repository?.html_url ?? "https://github.com",
    "ce-type": eventTypeOf(webhook),
  };
  for (let attempt = 1; ; attempt += 1) {
    await server.up();
    try {
      ledger.noteAccepted(entry, await client.submit("github", webhook.payload, { key, headers, signal }));
      return;
    } catch (error) {
      if (!mayRepeat(error) || attempt >= attemptsMax) throw error;
      if (error.kind === "unknown") ledger.noteUnknown(entry);
    }
    await sleep(pauseMs, undefined, { signal });
  }
}

function mayRepeat(error: unknown): error is SluiceClientError {
  return error instanceof SluiceClientError && (error.kind === "unknown" || error.kind === "unavailable");
}
