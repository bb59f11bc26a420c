import assert from "node:assert/strict";
import { once } from "node:events";
import { ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { test } from "node:test";
import { pino } from "pino";
import { defaultGatewayLimits } from "./limits.ts";
import { createListener } from "./transport.ts";

test("connections that are dropped are told in the log, once in a while", async (t) => {
  const lines: string[] = [];
  const log = pino({ base: null }, { write: (line: string) => void lines.push(line) });
  const limits = { ...defaultGatewayLimits, connectionsMax: 1 };
  const server = createListener({ limits, certificate: undefined, ServerResponse, log }).listen(0, "127.0.0.1");
  t.after(() => server.close().closeAllConnections());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const open = async () => {
    const socket = connect(port, "127.0.0.1")
      .on("error", () => undefined)
      .resume();
    await once(socket, "connect");
    return socket;
  };
  const [kept] = await Promise.all([open(), once(server, "connection")]);
  for (const dropped of [await open(), await open()]) if (!dropped.closed) await once(dropped, "close");
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /"connections":1,.*are dropped/);
  kept.destroy();
});
