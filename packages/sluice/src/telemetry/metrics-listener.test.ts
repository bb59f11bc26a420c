import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { openLog } from "./log.ts";
import { Meter, observe } from "./meter.ts";
import { openMetricsListener } from "./metrics-listener.ts";

const log = openLog({ level: "silent", isPretty: false });
const refusal = (): undefined => undefined;
const anyPort = { host: "127.0.0.1", port: 0 };

test("what is counted can be read, and nothing else is there", async () => {
  const meter = new Meter();
  meter.counter("sluice.duplicates.refused", { queue: "orders", kind: "outcome" }).value = 3;
  await using listener = await openMetricsListener(anyPort, { meter, log, refusal });
  const page = await fetch(listener.url);
  assert.deepEqual([page.status, page.headers.get("content-type")], [200, "text/plain; version=0.0.4; charset=utf-8"]);
  assert.match(await page.text(), /^sluice_duplicates_refused_total\{queue="orders",kind="outcome"\} 3$/m);
  assert.equal((await fetch(`${listener.url}?name=x`)).status, 200);
  const head = await fetch(listener.url, { method: "HEAD" });
  assert.deepEqual([head.status, await head.text()], [200, ""]);
  assert.equal((await fetch(listener.url, { method: "POST", body: "{}" })).status, 405);
  assert.equal((await fetch(new URL("/v1/queues", listener.url))).status, 404);
});

test("it stays when something cannot be read, without that", async () => {
  const meter = new Meter();
  meter.addObserver(() => Promise.reject(new Error("out")));
  meter.addObserver(() => [observe("sluice.ready", {}, 1)]);
  await using listener = await openMetricsListener(anyPort, { meter, log, refusal });
  assert.match(await (await fetch(listener.url)).text(), /^sluice_ready 1$/m);
});

test("closing does not wait for who is in the middle of asking", { timeout: 10_000 }, async () => {
  const listener = await openMetricsListener(anyPort, { meter: new Meter(), log, refusal });
  const socket = connect(Number(new URL(listener.url).port), "127.0.0.1");
  socket.on("error", () => {}); // reset, perhaps
  socket.write("GET /metrics HTTP/1.1\r\n");
  await (await fetch(listener.url)).text(); // by now the server has the other connection too
  const closed = once(socket, "close");
  await listener[Symbol.asyncDispose]();
  await closed;
  await assert.rejects(fetch(listener.url));
});
