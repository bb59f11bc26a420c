// Reads every result back and holds it against what the handler must have said.
import { isDeepStrictEqual } from "node:util";
import { SluiceClientError } from "@sluice/client";
import type { SluiceClient } from "@sluice/client";
import { summarise } from "../summarise.ts";
import { eventTypeOf } from "../webhooks.ts";
import type { Webhook } from "../webhooks.ts";
import type { Entry, Ledger } from "./ledger.ts";

const underWayMax = 64;

export class ReadBack {
  /** Results that say what they must. */
  rightCount = 0;
  wrongCount = 0;
  /** Accepted requests of which the server has no result, or knows nothing. */
  missingCount = 0;

  get count(): number {
    return this.rightCount + this.wrongCount + this.missingCount;
  }

  async run(ledger: Ledger, { client, signal }: { readonly client: SluiceClient; readonly signal: AbortSignal }) {
    const entries = ledger.entries.values();
    const readNext = async (): Promise<void> => {
      for (const entry of entries) this.#count(entry, await read(entry, client, signal));
    };
    await Promise.all(Array.from({ length: underWayMax }, readNext));
  }

  #count({ webhook }: Entry, summary: unknown): void {
    if (summary === undefined) this.missingCount += 1;
    else if (isDeepStrictEqual(summary, expectedOf(webhook))) this.rightCount += 1;
    else this.wrongCount += 1;
  }
}

/** The result; undefined if there is none. */
async function read({ id }: Entry, client: SluiceClient, signal: AbortSignal): Promise<unknown> {
  if (id === undefined) return undefined;
  try {
    return (await client.result(id, { signal })).json();
  } catch (error) {
    if (error instanceof SluiceClientError && (error.kind === "dead" || error.kind === "refused")) return undefined;
    throw error;
  }
}

function expectedOf(webhook: Webhook): unknown {
  return summarise({ headers: { "ce-type": eventTypeOf(webhook) }, json: () => webhook.payload });
}
