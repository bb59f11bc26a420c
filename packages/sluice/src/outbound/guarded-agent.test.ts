// Real connections to a real server; only the names are ours to say where they lead.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { LookupAddress } from "node:dns";
import { after, before, test } from "node:test";
import { request, type Agent } from "undici";
import { SluiceError } from "../core/errors.ts";
import { addressRule, type AddressOptions } from "./address-rule.ts";
import { guardedAgent, type GuardedAgentOptions } from "./guarded-agent.ts";

let port: number;
let seen: string[] = [];
const server = createServer((incoming, response) => {
  seen.push(String(incoming.url));
  const status = incoming.url === "/away" ? 302 : 200;
  response.writeHead(status, { location: "/secret", connection: "close" }); // so the next one looks its host up again
  response.end("here");
});

before(async () => {
  await once(server.listen(0, "127.0.0.1"), "listening");
  ({ port } = server.address() as AddressInfo);
});
after(() => server.close());

interface Call extends AddressOptions {
  /** What the host's name leads to, one list for each time it is looked up. */
  readonly answers?: readonly (readonly string[])[];
}

function open({ answers = [], ...options }: Call): Agent & AsyncDisposable {
  const left = [...answers];
  const lookup = ((_name: string, _options: object, callback: (error: null, found: LookupAddress[]) => void) =>
    callback(
      null,
      (left.shift() ?? []).map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    )) as unknown as NonNullable<GuardedAgentOptions["lookup"]>;
  const agent = guardedAgent({ rule: addressRule(options), connectionsMax: 1, lookup });
  return Object.assign(agent, { [Symbol.asyncDispose]: () => agent.destroy() });
}

async function call(agent: Agent, host: string, path = "/"): Promise<number> {
  const { statusCode, body } = await request(`http://${host}:${port}${path}`, { dispatcher: agent });
  await body.dump();
  return statusCode;
}

async function assertRefused(calling: Promise<unknown>, message: RegExp): Promise<void> {
  seen = [];
  await assert.rejects(calling, (error) => {
    assert.ok(error instanceof SluiceError, String(error));
    assert.equal(error.code, "address-refused");
    assert.match(error.message, message);
    return true;
  });
  assert.deepEqual(seen, [], "nothing was sent");
}

test("a name that leads to a private address is refused, and reached where it is allowed", async () => {
  await using shut = open({ answers: [["127.0.0.1"]] });
  await assertRefused(call(shut, "b.example"), /^b\.example leads to 127\.0\.0\.1, .*--target-allow$/);
  await using ajar = open({ answers: [["127.0.0.1"]], allow: ["b.example"] });
  assert.equal(await call(ajar, "b.example"), 200);
});

test("an address that stands in the URL is judged without a look-up", async () => {
  await using agent = open({});
  await assertRefused(call(agent, "127.0.0.1"), /private address/);
  await assertRefused(call(agent, "2130706433"), /127\.0\.0\.1/);
  await assertRefused(call(agent, "[::ffff:127.0.0.1]"), /private address/);
  await assertRefused(call(agent, "169.254.169.254"), /credentials/);
});

test("a name that leads elsewhere the next time is judged anew", async () => {
  await using agent = open({ answers: [["127.0.0.1"], ["127.0.0.2"]], allow: ["127.0.0.1"] });
  assert.equal(await call(agent, "b.example"), 200);
  await assertRefused(call(agent, "b.example"), /leads to 127\.0\.0\.2/);
});

test("of a name's addresses only those are tried that may be called", async () => {
  await using agent = open({ answers: [["169.254.169.254", "127.0.0.1", "10.0.0.1"]], allow: ["127.0.0.1"] });
  assert.equal(await call(agent, "b.example"), 200);
});

test("hosts and schemes hold at the connection too", async () => {
  await using agent = open({ answers: [["127.0.0.1"]], allow: ["private"], hosts: ["b.example"] });
  await assertRefused(call(agent, "c.example"), /none of the hosts in targets\.hosts/);
  assert.equal(await call(agent, "b.example"), 200);
  await using secure = open({ allow: ["private"], schemes: ["https"] });
  await assertRefused(call(secure, "127.0.0.1"), /only https may be called/);
});

test("a redirect is not followed", async () => {
  await using agent = open({ allow: ["127.0.0.1"] });
  seen = [];
  assert.equal(await call(agent, "127.0.0.1", "/away"), 302);
  assert.deepEqual(seen, ["/away"]);
});
