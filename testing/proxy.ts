// A TCP proxy between a client and a server of a test. It owns its connections: it can cut them, or go
// silent and hold them, as a network does.
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { resetSocket } from "./reset-socket.ts";

export interface StartProxyOptions {
  /** Where the server listens, on the loopback; asked for each connection if it may change. */
  readonly port: number | (() => number);
  readonly listenPort?: number | undefined;
}

export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** How many clients are connected now. */
  readonly connections: number;
  /** Resets every connection, and each new one at once, until `restore`. */
  cut(): void;
  restore(): void;
  /** Holds every connection, and each new one, and forwards nothing, not even an end, until `thaw`. */
  freeze(): void;
  thaw(): void;
}

interface Link {
  flow(): void;
  hold(): void;
  reset(): void;
}

type State = "open" | "cut" | "frozen";

/** Starts a proxy to a port, on a loopback port of its own. Disposing resets what is connected. */
export async function startProxy({ port, listenPort = 0 }: StartProxyOptions): Promise<Proxy> {
  const links = new Set<Link>();
  let state: State = "open";
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) => {
    if (state === "cut") {
      resetSocket(client.on("error", ignore));
      return;
    }
    const link = linkOf(client, typeof port === "function" ? port() : port, () => links.delete(link));
    links.add(link);
    if (state === "open") link.flow();
  });
  server.listen(listenPort, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => links.forEach((link) => link.reset());
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return links.size;
    },
    cut() {
      state = "cut";
      cut();
    },
    restore() {
      if (state === "cut") state = "open";
    },
    freeze() {
      state = "frozen";
      links.forEach((link) => link.hold());
    },
    thaw() {
      if (state !== "frozen") return;
      state = "open";
      links.forEach((link) => link.flow());
    },
    async [Symbol.asyncDispose]() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      cut();
      await closed;
    },
  };
}

/** A client and its connection to the server, which is opened at the first flow. */
function linkOf(client: Socket, port: number, onClosed: () => void): Link {
  let upstream: Socket | undefined;
  let isFlowing = false;
  let isBroken = false;
  const reset = (): void => {
    resetSocket(client);
    if (upstream !== undefined) resetSocket(upstream);
  };
  const fail = (): void => {
    isBroken = true;
    if (isFlowing) reset();
  };
  const close = (): void => {
    if (client.destroyed && (upstream?.destroyed ?? true)) onClosed();
  };
  client.on("error", fail).on("close", close);
  return {
    reset,
    flow() {
      isFlowing = true;
      if (isBroken) reset();
      else {
        upstream ??= connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
        upstream.on("error", fail).on("close", close);
        client.pipe(upstream).pipe(client);
      }
    },
    hold() {
      isFlowing = false;
      for (const socket of [client, upstream]) socket?.unpipe().pause();
    },
  };
}

function ignore(): void {}
