import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { BrokerConnection } from "./broker-connection.ts";

interface Refusing extends AsyncDisposable {
  readonly port: number;
}

/** A node that hangs up on everyone. */
async function startRefusing(onAsked: (port: number) => void): Promise<Refusing> {
  const server = createServer((client) => {
    onAsked(port);
    client.on("error", () => undefined).destroy();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.asyncDispose]: async () => void server.close() };
}

test("a first connection tries each node once, beginning with any, and names them all when none is there", async () => {
  await using resources = new AsyncDisposableStack();
  const asked: number[] = [];
  const nodes: Refusing[] = [];
  for (let count = 0; count < 3; count += 1)
    nodes.push(resources.use(await startRefusing((port) => void asked.push(port))));
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  const ports = new Set(nodes.map(({ port }) => port));
  const firsts = new Set<number | undefined>();
  for (let round = 0; round < 50; round += 1) {
    await using connection = new BrokerConnection({
      url: `amqp://u:hunter2@${addresses.join(",")}/v`,
      name: "test",
      onChange: () => undefined,
    });
    asked.length = 0;
    await assert.rejects(connection.connect(), (error: Error) => {
      assert.ok(error.message.startsWith(`RabbitMQ at ${addresses.join(", ")} cannot be reached: `), error.message);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
    assert.equal(asked.length, ports.size);
    assert.deepEqual(new Set(asked), ports);
    firsts.add(asked[0]);
  }
  assert.equal(firsts.size, 3, "they spread"); // one of them never first: once in 10^8 runs
});
