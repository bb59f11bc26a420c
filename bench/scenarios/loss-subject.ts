import type { Child } from "@sluice/testing";
import type { Figures } from "./scenario.ts";

/** Whoever is put to the loss: it takes requests in, then its worker is killed again and again. */
export interface Subject extends AsyncDisposable {
  /** Lets them be sent to a URL while none is worked on. */
  takeIn(send: (intakeUrl: string) => Promise<readonly string[]>): Promise<readonly string[]>;
  /** Starts the process that does the work. Given a number, it kills itself right after so many claims. */
  startWorker(killAtClaim?: number): Promise<Child>;
  /** How many requests are through, or at least begun; undefined while there is nobody to say. */
  progress(): Promise<number | undefined>;
  /** Whether nothing more will come of these requests. */
  isDrained(ids: readonly string[]): Promise<boolean>;
  /** Where `/<id>/result` can be read. */
  requestsUrl(): string;
  /** What else it showed. */
  figures?(): Figures;
}
