// What the front is told: where it listens, and what becomes of a request on each of its routes.
import type { Target } from "../../outbound/target.ts";
import type { TlsFiles } from "../tls.ts";
import type { HandshakeSettings } from "./handshake.ts";
import type { KeySource } from "./key-source.ts";
import type { PlacementSources } from "./placement-source.ts";
import type { VerifySettings } from "./verify/settings.ts";

export interface FrontSettings {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsFiles | undefined;
  /** Addresses and networks of the proxies whose word on where a request came from is believed. */
  readonly trustedProxies: readonly string[];
  /** Whether GET, HEAD and OPTIONS go to B. */
  readonly passesThrough: boolean;
  readonly routes: readonly FrontRoute[];
}

export interface FrontRoute extends Partial<PlacementSources> {
  /** As it was written: `"POST /hooks/github"`. */
  readonly name: string;
  /** One request for each, all or none. */
  readonly queues: readonly [string, ...string[]];
  /** Anybody may send where undefined: the front is on the loopback then. */
  readonly verify: VerifySettings | undefined;
  readonly handshake: HandshakeSettings | undefined;
  /** The sender's Idempotency-Key where undefined. */
  readonly key: KeySource | undefined;
  /** Names and patterns of the headers to keep; all but secrets where undefined. */
  readonly headers: readonly string[] | undefined;
  /** How long the sender of a request without a preference waits for B's own response; 0 for none. */
  readonly waitMs: number;
  readonly answer: FrontAnswer | undefined;
  readonly bodyBytesMax: number;
  readonly ratePerHour: number | undefined;
  /** Senders that wait at once; the others get the receipt. */
  readonly waitsMax: number | undefined;
  /** Where GET, HEAD and OPTIONS go: B of the first queue, if it takes the paths of the front. */
  readonly passesTo: Target | undefined;
}

/** Instead of the receipt. */
export interface FrontAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}
