// A target that says over TCP whatever a test wants, be it HTTP or not. It reads each request whole before it lets the test
// respond, and keeps what came.
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";

export interface RawRequest {
  /** The request line and the headers, as they came. */
  readonly head: string;
  readonly body: Buffer;
  /** Which connection it came over, and which of that one's requests it is; both from 1. */
  readonly connection: number;
  readonly nth: number;
}

export interface RawTarget extends AsyncDisposable {
  readonly port: number;
  readonly url: URL;
  readonly requests: readonly RawRequest[];
  /** Those that are open. */
  readonly sockets: ReadonlySet<Socket>;
}

export async function startRawTarget(respond: (socket: Socket, request: RawRequest) => void): Promise<RawTarget> {
  const requests: RawRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    connections += 1;
    const connection = connections;
    let nth = 0;
    let read = Buffer.alloc(0);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {}); // the other side may break off at any time
    socket.on("data", (chunk: Buffer) => {
      read = Buffer.concat([read, chunk]);
      for (let end = endOf(read); end !== undefined; end = endOf(read)) {
        const bodyAt = read.indexOf("\r\n\r\n") + 4;
        nth += 1;
        const head = read.toString("latin1", 0, bodyAt);
        const request = { head, body: read.subarray(bodyAt, end), connection, nth };
        requests.push(request);
        read = read.subarray(end);
        respond(socket, request);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: new URL(`http://127.0.0.1:${port}/process`),
    requests,
    sockets,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      if (server.listening || sockets.size > 0) await once(server, "close");
    },
  };
}

/** Where the first request ends; undefined while it is not whole. */
function endOf(read: Buffer): number | undefined {
  const head = read.indexOf("\r\n\r\n");
  if (head === -1) return undefined;
  const length = /\r\ncontent-length: (\d+)/i.exec(read.toString("latin1", 0, head + 4))?.[1] ?? "0";
  const end = head + 4 + Number(length);
  return read.byteLength < end ? undefined : end;
}
