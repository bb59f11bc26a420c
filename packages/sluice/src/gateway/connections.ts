// Ends the server's connections when it closes. Node ends those that are idle at that moment, and would wait for
// two kinds more: those whose answer is under way, and those on which no request has begun.
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Server } from "node:http";
import type { Socket } from "node:net";

/** Node tells on this channel that an answer is out. */
const responseFinish = "http.server.response.finish";

export class Connections {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  /** Ends those on which nothing was sent for this long. A proxy may just have connected: its request deserves a moment. */
  endSilentAfter(ms: number): Disposable {
    const end = (): void => {
      for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
    };
    // What came while this process was held up is read first: a timer goes before it.
    const timer = setTimeout(() => setImmediate(end), ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  /** From now on, until disposed, each connection ends with its last answer. */
  endAsTheyFinish(): Disposable {
    const onFinish = (message: unknown): void => {
      const { server } = message as { readonly server: Server };
      if (server === this.#server) setImmediate(() => server.closeIdleConnections());
    };
    subscribe(responseFinish, onFinish);
    return { [Symbol.dispose]: () => void unsubscribe(responseFinish, onFinish) };
  }
}
