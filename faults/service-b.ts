// Service B as a process of its own: node service-b.ts FOLDER MODE FLAKINESS. It answers with the hash of the body and
// a word that no other run repeats. Its behaviour can be changed while it runs: PUT /behaviour.
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { frontCall } from "./door.ts";
import { appendLog, readLog } from "./logs.ts";
import { sha256Of } from "./parcel.ts";

const [folder = ".", mode = "honours-key", flakiness = "0"] = process.argv.slice(2);
const results = new Map<string, string>();
if (mode === "honours-key") for (const { id, sha256 } of readLog(folder, "effects")) keep(id, sha256);
let behaviour = "work";

const server = createServer((request, response) => void answer(request, response));
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`service B listens on http://127.0.0.1:${port}\n`);
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await buffer(request);
  if (request.url === "/behaviour") {
    behaviour = body.toString();
    return send(response, 204, "");
  }
  const id = String(request.headers["idempotency-key"]);
  const sha256 = sha256Of(body);
  appendLog(folder, "starts", { id, sha256 });
  if (!isAsSent(request, sha256)) return send(response, 400, "not as it was sent");
  const [verb, amount = "0"] = behaviour.split(":");
  if (verb === "reject") return send(response, 400, "rejected");
  if (verb === "later") return send(response.setHeader("retry-after", amount), 500, "later");
  if (verb === "wait") await delay(Number(amount));
  if (Math.random() < Number(flakiness)) return send(response, 500, "flaky before the effect");
  const result = mode === "honours-key" ? (results.get(id) ?? work(id, sha256)) : work(id, sha256);
  if (Math.random() < Number(flakiness)) return void response.socket?.destroy(); // the effect is made, nobody is told
  send(response, 200, result);
}

/** What came through the API has only its body. */
function isAsSent({ method, url, headers }: IncomingMessage, sha256: string): boolean {
  if (url === "/work") return method === "POST";
  const sent = frontCall(sha256);
  return method === sent.method && url === `/front${sent.path}` && headers["x-parcel"] === sent.headers["x-parcel"];
}

function work(id: string, sha256: string): string {
  appendLog(folder, "effects", { id, sha256 });
  return keep(id, sha256);
}

function keep(id: string, sha256: string): string {
  const result = JSON.stringify({ sha256, run: randomUUID() });
  if (mode === "honours-key") results.set(id, result);
  return result;
}

function send(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "application/json" }).end(text);
}
