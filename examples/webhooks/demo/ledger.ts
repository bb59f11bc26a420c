// The sender's own book: what it sent under which key, and what it was told. It trusts nothing of the server's.
import { randomUUID } from "node:crypto";
import type { Submitted } from "@sluice/client";
import { webhooks } from "../webhooks.ts";
import type { Webhook } from "../webhooks.ts";

export interface Entry {
  readonly key: string;
  readonly webhook: Webhook;
  /** Set once the server said that it is accepted. */
  id: string | undefined;
  /** Whether an answer was awaited in vain: it may be accepted, or not. */
  isUnknown: boolean;
}

export class Ledger {
  readonly entries: readonly Entry[];
  acceptedCount = 0;
  unknownCount = 0;
  /** Unknown ones that turned out, when sent again, to have been accepted before the crash. */
  knownAgainCount = 0;
  readonly #waits: { readonly count: number; readonly reached: () => void }[] = [];

  /** The example webhooks again and again, each time under a fresh key. */
  constructor(requests: number) {
    const run = randomUUID().slice(0, 8);
    this.entries = Array.from({ length: requests }, (_, index) => ({
      key: `demo-${run}-${index + 1}`,
      webhook: webhooks[index % webhooks.length] as Webhook,
      id: undefined,
      isUnknown: false,
    }));
  }

  noteUnknown(entry: Entry): void {
    if (entry.isUnknown) return;
    entry.isUnknown = true;
    this.unknownCount += 1;
  }

  noteAccepted(entry: Entry, { id, replayed }: Submitted): void {
    entry.id = id;
    this.acceptedCount += 1;
    if (replayed) this.knownAgainCount += 1;
    for (const wait of this.#waits) if (this.acceptedCount >= wait.count) wait.reached();
  }

  /** Resolves once so many are accepted. */
  async accepted(count: number): Promise<void> {
    if (this.acceptedCount >= count) return;
    await new Promise<void>((resolve) => this.#waits.push({ count, reached: resolve }));
  }
}
