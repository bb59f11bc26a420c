import { setTimeout as delay } from "node:timers/promises";
import { freePort, startRabbitmq, temporaryFolder } from "@sluice/testing";
import { pino } from "pino";
import { randomBytes } from "node:crypto";
import { requestIdOf } from "../../core/request-id.ts";
import { Broker } from "./broker.ts";
import { Outages } from "./outages.ts";
const log = pino({ level: "debug" });
for (let round = 0; round < 6; round += 1) {
  await using folder = await temporaryFolder();
  const port = await freePort();
  const first = await startRabbitmq({ folder: folder.path, port });
  const broker = new Broker({ url: first.url, name: "dbg", prefix: "t", outages: new Outages(log), log });
  await broker.connect();
  await broker.declare("q");
  let hints: any[] = [];
  broker.consume({ queue: "q", prefetch: 100, onHints: (h) => { console.log("HINT", h.ids, h.isRedelivered); hints.push(h); }, onLost: () => { console.log("LOST"); hints = []; } });
  const id1 = requestIdOf(round * 2, randomBytes(8)), id2 = requestIdOf(round * 2 + 1, randomBytes(8));
  await broker.publisher.publish({ queue: "q", kind: "fresh", ids: [id1] });
  while (hints.length < 1) await delay(5);
  hints.pop().done();
  while (!(await first.ctl("-q", "list_queues", "name", "messages")).includes("t.q.v1\t0")) await delay(5);
  console.log("published", await broker.publisher.publish({ queue: "q", kind: "fresh", ids: [id2] }));
  while (hints.length < 1) await delay(5);
  first.kill("SIGKILL");
  await first.exited;
  await first[Symbol.asyncDispose]();
  const t = performance.now();
  await using second = await startRabbitmq({ folder: folder.path, port });
  console.log("restarted", performance.now() - t);
  const from = performance.now();
  while (hints.length < 1 && performance.now() - from < 15000) await delay(5);
  console.log("round", round, "hints", hints.length, performance.now() - from);
  if (hints.length === 0) {
    console.log(await second.ctl("-q", "list_queues", "name", "messages", "messages_ready", "messages_unacknowledged", "consumers", "leader", "online", "state"));
    console.log(await second.ctl("-q", "list_channels", "connection", "number", "consumer_count", "messages_unacknowledged"));
    console.log(await second.ctl("-q", "list_consumers"));
    console.log(second.output());
  }
  await broker[Symbol.asyncDispose]();
}
