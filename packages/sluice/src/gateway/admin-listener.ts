// The listener of its own that the admin routes may have. It takes every call; where it is open, the other one knows no admin
// routes. It owns its server.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { once } from "node:events";
import { Connections } from "./connections.ts";
import type { App } from "./context.ts";
import type { GatewayLimits } from "./limits.ts";

export class AdminListener {
  readonly #calls = new WeakSet<IncomingMessage>();
  #server: Server | undefined;
  #connections: Connections | undefined;
  #ending: Disposable | undefined;

  /** Whether an admin call may come the way that this one came. */
  takes(call: IncomingMessage): boolean {
    return this.#server === undefined || this.#calls.has(call);
  }

  /** Resolves with the port once it listens. */
  async listen(app: App, server: Server, at: { readonly host: string; readonly port: number }): Promise<number> {
    this.#connections = new Connections(server);
    server.on("request", (call: IncomingMessage, answer: ServerResponse) => {
      this.#calls.add(call);
      app.routing(call, answer);
    });
    await once(server.listen(at), "listening");
    this.#server = server;
    const bound = server.address();
    return typeof bound === "object" && bound !== null ? bound.port : at.port;
  }

  linger(onRequest: (call: IncomingMessage, answer: ServerResponse) => void): void {
    this.#server?.prependListener("request", onRequest);
  }

  /** From now on each connection ends with its last answer, and the idle ones at once. */
  drain(): void {
    this.#ending = this.#connections?.endAsTheyFinish();
    this.#server?.closeIdleConnections();
  }

  /** Resolves once what is under way is answered, or the grace is over. */
  async close({ silentGraceMs, closeGraceMs }: Pick<GatewayLimits, "silentGraceMs" | "closeGraceMs">): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    using _ending = this.#ending;
    const closed = once(server, "close");
    server.close(); // tells of its end once more, should that have come already
    using _silence = this.#connections?.endSilentAfter(silentGraceMs);
    const force = setTimeout(() => server.closeAllConnections(), closeGraceMs);
    await closed;
    clearTimeout(force);
  }
}
