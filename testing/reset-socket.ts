import type { Socket } from "node:net";

/**
 * Resets a connection at once. Node's own `resetAndDestroy` fails in the moment in which the end of the stream is under
 * way, and its handle then stays open for good: the process never exits. Such a socket is destroyed instead.
 */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}
