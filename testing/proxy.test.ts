import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { startProxy } from "./proxy.ts";
import type { Proxy } from "./proxy.ts";

test("bytes pass both ways, and an end of one way leaves the other open", async () => {
  await using server = await startServer();
  await using proxy = await startProxy({ port: server.port });
  const sides = await connected(proxy, server);
  const otherSides = await connected(proxy, server);
  for (const [first, second] of [sides, otherSides.toReversed()] as [Socket, Socket][]) {
    first.end("one");
    assert.equal(await textOf(second), "one");
    second.end("two");
    assert.equal(await textOf(first), "two");
  }
});

test("many bytes pass whole, with a reader that is slower than the writer", async () => {
  await using server = await startServer();
  await using proxy = await startProxy({ port: server.port });
  const [client, upstream] = await connected(proxy, server);
  const chunk = Buffer.alloc(2 ** 16, "x");
  let accepted = 0;
  while (client.write(chunk) || accepted < 2 ** 10) accepted += 1;
  client.end();
  await setTimeout(100);
  assert.ok(client.writableLength > 2 ** 25, "the proxy took in what the server had not read");
  let received = 0;
  for await (const bytes of upstream as AsyncIterable<Buffer>) received += bytes.length;
  assert.equal(received, (accepted + 1) * chunk.length);
});

test("a cut resets both sides and each new connection, until it is restored", async () => {
  await using server = await startServer();
  await using proxy = await startProxy({ port: server.port });
  const sides = await connected(proxy, server);
  const resets = sides.map(resetOf);
  assert.equal(proxy.connections, 1);
  proxy.cut();
  await Promise.all(resets);
  assert.equal(proxy.connections, 0);
  await resetOf(clientOf(proxy));
  proxy.restore();
  await passes(await connected(proxy, server));
});

test("a frozen proxy forwards neither bytes nor an end, and all of it once it thaws", async () => {
  await using server = await startServer();
  await using proxy = await startProxy({ port: server.port });
  const [client, upstream] = await connected(proxy, server);
  const late = textOf(client);
  const lateUpstream = textOf(upstream);
  let heard = 0;
  for (const socket of [client, upstream]) socket.on("data", () => (heard += 1)).on("end", () => (heard += 1));
  proxy.freeze();
  client.end("request");
  upstream.end("answer");
  const second = clientOf(proxy);
  await once(second, "connect");
  await setTimeout(100);
  assert.equal(heard, 0);
  assert.equal(server.accepted.length, 0);
  proxy.thaw();
  assert.deepEqual([await late, await lateUpstream], ["answer", "request"]);
  await passes([second, await server.accept()]);
});

test("a reset of one side reaches the other, and only after the thaw when the proxy is frozen", async () => {
  await using server = await startServer();
  await using proxy = await startProxy({ port: server.port });
  const [client, upstream] = await connected(proxy, server);
  const reset = resetOf(client);
  upstream.resetAndDestroy();
  await reset;
  const [heldClient, heldUpstream] = await connected(proxy, server);
  const heldReset = resetOf(heldClient);
  proxy.freeze();
  heldUpstream.resetAndDestroy();
  assert.equal(await Promise.race([heldReset, setTimeout(100, "held")]), "held");
  proxy.thaw();
  await heldReset;
});

test("a server that is not there resets its client", async () => {
  const server = await startServer();
  await server[Symbol.asyncDispose]();
  await using proxy = await startProxy({ port: server.port });
  await resetOf(clientOf(proxy));
});

test("a proxy starts again on the port of one that was disposed with clients connected", async () => {
  await using server = await startServer();
  const first = await startProxy({ port: server.port });
  const reset = resetOf((await connected(first, server))[0]);
  await first[Symbol.asyncDispose]();
  await reset;
  await using second = await startProxy({ port: server.port, listenPort: first.port });
  assert.equal(second.port, first.port);
  await passes(await connected(second, server));
});

interface TestServer extends AsyncDisposable {
  readonly port: number;
  /** What was accepted and not yet asked for. */
  readonly accepted: Socket[];
  accept(): Promise<Socket>;
}

async function startServer(): Promise<TestServer> {
  const sockets = new Set<Socket>();
  const accepted: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    accepted.push(socket.on("error", () => {}));
    server.emit("accepted");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    accepted,
    async accept() {
      if (accepted.length === 0) await once(server, "accepted");
      return accepted.shift() as Socket;
    },
    async [Symbol.asyncDispose]() {
      sockets.forEach((socket) => socket.destroy());
      server.close();
      await once(server, "close");
    },
  };
}

async function connected(proxy: Proxy, server: TestServer): Promise<[Socket, Socket]> {
  const client = clientOf(proxy);
  return [client, await server.accept()];
}

function clientOf(proxy: Proxy): Socket {
  const client = connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true });
  return client.on("error", () => {}); // disposing the proxy resets it
}

async function passes([client, upstream]: [Socket, Socket]): Promise<void> {
  client.write("one");
  assert.equal(String((await once(upstream, "data"))[0]), "one");
  upstream.write("two");
  assert.equal(String((await once(client, "data"))[0]), "two");
}

async function textOf(socket: Socket): Promise<string> {
  let text = "";
  for await (const bytes of socket as AsyncIterable<Buffer>) text += bytes.toString();
  return text;
}

async function resetOf(socket: Socket): Promise<void> {
  await assert.rejects(once(socket.resume(), "close"), { code: "ECONNRESET" });
}
