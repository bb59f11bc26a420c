import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { resetSocket } from "./reset-socket.ts";

const moments: Readonly<Record<string, (socket: Socket) => Promise<unknown> | undefined>> = {
  "nothing of it has ended": () => undefined,
  "it was just told to end": (socket) => void socket.end(),
  "its end is under way": async (socket) => {
    socket.end();
    await new Promise((resolve) => process.nextTick(() => process.nextTick(resolve)));
    assert.ok(!socket.writableFinished, "it is too late");
  },
  "it has ended": (socket) => once(socket.end(), "finish"),
  "it is closed": (socket) => once(socket.destroy(), "close"),
};

for (const [moment, reach] of Object.entries(moments)) {
  test(`a socket that is reset when ${moment} leaves nothing open`, async () => {
    const server = createServer({ allowHalfOpen: true }, (far) => far.on("error", () => undefined)).listen(
      0,
      "127.0.0.1",
    );
    await once(server, "listening");
    const open = (): number => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
    const before = open();
    const { port } = server.address() as AddressInfo;
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const [[far]] = (await Promise.all([once(server, "connection"), once(socket, "connect")])) as [[Socket], unknown];
    await reach(socket);
    resetSocket(socket);
    await turn();
    far.destroy();
    server.close();
    for (let turns = 0; turns < 100 && open() > before; turns += 1) await turn();
    assert.equal(open(), before);
  });
}
