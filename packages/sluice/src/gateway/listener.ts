// A server under the gateway's routes, on one address: how it listens, and how it stops. It owns the server.
import { once } from "node:events";
import type { RequestListener, Server } from "node:http";
import { Connections } from "./connections.ts";
import type { GatewayLimits } from "./limits.ts";

export class Listener {
  readonly server: Server;
  readonly #connections: Connections;
  #ending: Disposable | undefined;

  constructor(server: Server) {
    this.server = server;
    this.#connections = new Connections(server);
  }

  /** Resolves with the port once it listens. */
  async listen(onRequest: RequestListener, at: { readonly host: string; readonly port: number }): Promise<number> {
    this.server.on("request", onRequest);
    await once(this.server.listen(at), "listening");
    const bound = this.server.address();
    return typeof bound === "object" && bound !== null ? bound.port : at.port;
  }

  /** From now on each connection ends with its last answer, and the idle ones at once. */
  drain(): void {
    this.#ending = this.#connections.endAsTheyFinish();
    this.server.closeIdleConnections();
  }

  /** Resolves once what is under way is answered, or the grace is over. */
  async close({ silentGraceMs, closeGraceMs }: Pick<GatewayLimits, "silentGraceMs" | "closeGraceMs">): Promise<void> {
    using _ending = this.#ending;
    const closed = once(this.server, "close");
    this.server.close(); // tells of its end once more, should that have come already
    using _silence = this.#connections.endSilentAfter(silentGraceMs);
    const force = setTimeout(() => this.server.closeAllConnections(), closeGraceMs);
    await closed;
    clearTimeout(force);
  }
}

/** `localhost` is two addresses, and clients try either. */
export function addressesOf(host: string): readonly [string, ...string[]] {
  return host === "localhost" ? ["127.0.0.1", "::1"] : [host];
}

/** Whether this machine lacks the protocol of the address. */
export function isNoAddress(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT";
}
