// The abuser, as a process of its own: node abuser.ts SECONDS URL... It attacks until the time is over, and prints how each
// kind of attack was answered.
import { randomBytes } from "node:crypto";
import { Agent, request, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { attacks, type AttackKind } from "./attacks.ts";
import { hostileBatches, hostileBodies } from "./hostile.ts";

const [seconds = "0", ...urls] = process.argv.slice(2);
const endsAt = performance.now() + Number(seconds) * 1_000;
const hugeBytes = 100 * 1_000_000;
const piece = Buffer.alloc(64 * 1_024, "x");
const bomb = gzipSync(Buffer.alloc(hugeBytes));
const refusedBatch = batchOf(16 * 1_024 * 1_024 - 1_024);
/** Until the servers have cut off whoever is slow, and some. */
const answerMsMax = 45_000;

const tallies: Record<string, Record<string, number>> = Object.fromEntries(attacks.map(({ kind }) => [kind, {}]));
await Promise.all(
  attacks.flatMap(({ kind, senders, restMs }) =>
    Array.from({ length: senders }, (_, n) => attackInTurn({ kind, restMs, n, url: urls[n % urls.length] as string })),
  ),
);
console.log(`answered ${JSON.stringify(tallies)}`);

interface Turn {
  readonly kind: AttackKind;
  readonly restMs: number;
  readonly n: number;
  readonly url: string;
}

async function attackInTurn({ kind, restMs, n, url }: Turn): Promise<void> {
  const tally = tallies[kind] as Record<string, number>;
  const isSlow = kind === "slow headers" || kind === "slow bodies";
  for (let round = n; ; round += 1) {
    const answer = await attack(kind, url, round);
    tally[answer] = (tally[answer] ?? 0) + 1;
    if (isSlow || performance.now() > endsAt) return; // a slow one lasts as long as all the others
    await delay(restMs);
  }
}

function attack(kind: AttackKind, url: string, round: number): Promise<string> {
  const orders = `${url}/v1/queues/orders`;
  const length = { "content-length": String(hugeBytes) };
  switch (kind) {
    case "slow headers":
      return sendSlowly(url, "POST /v1/queues/orders/requests HTTP/1.1\r\nhost: localhost\r\nx-slow: ");
    case "slow bodies":
      return sendSlowly(
        url,
        "POST /v1/queues/orders/requests HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n",
      );
    case "100 MB with their length told":
      return send(`${orders}/${round % 2 === 0 ? "requests" : "batches"}`, pieces(), length);
    case "100 MB in chunks":
      return send(`${orders}/${round % 2 === 0 ? "requests" : "batches"}`, pieces());
    case "compressed bombs":
      return send(`${orders}/requests`, [bomb], { "content-encoding": "gzip" });
    case "guessed ids":
      return read(`${url}/v1/requests/${guess(round)}`);
    case "hostile batch lines":
      return send(`${orders}/batches`, [hostileBatches[round % hostileBatches.length] as Buffer]);
    case "hostile bodies":
      return send(`${url}/v1/queues/lists/requests`, [hostileBodies[round % hostileBodies.length] as Buffer]);
    case "16 MiB batches":
      return send(`${orders}/batches`, [refusedBatch], { "content-length": String(refusedBatch.length) });
    default:
      return kind satisfies never;
  }
}

function send(url: string, body: Iterable<Buffer>, headers: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve) => {
    const agent = new Agent({ keepAlive: true }); // one connection for each try, and nobody asks for its end
    const outgoing = request(url, { method: "POST", headers, agent, timeout: answerMsMax });
    let isAnswered = false;
    outgoing.on("response", (response) => {
      isAnswered = true;
      response.resume().on("close", () => {
        outgoing.destroy();
        agent.destroy();
      });
      resolve(answerOf(response));
    });
    outgoing.on("timeout", () => outgoing.destroy());
    outgoing.on("error", () => resolve("no answer")); // or it has one, and was cut off since
    outgoing.on("close", () => resolve("no answer"));
    void (async () => {
      for (const part of body) {
        if (isAnswered || outgoing.destroyed) return;
        if (!outgoing.write(part)) await Promise.race([drain(outgoing), delay(1_000)]);
      }
      outgoing.end();
    })();
  });
}

function drain(outgoing: NodeJS.EventEmitter): Promise<void> {
  return new Promise((resolve) => void outgoing.once("drain", () => resolve()));
}

function read(url: string): Promise<string> {
  return new Promise((resolve) => {
    const outgoing = request(url, { timeout: answerMsMax }, (response) => {
      response.resume();
      resolve(answerOf(response));
    });
    outgoing.on("timeout", () => outgoing.destroy());
    outgoing.on("error", () => resolve("no answer"));
    outgoing.end();
  });
}

function answerOf({ statusCode, headers }: IncomingMessage): string {
  return statusCode === 503 && !headers["retry-after"] ? "503 without Retry-After" : String(statusCode);
}

/** A head at once, and then a byte a second, until it is answered or cut off. */
function sendSlowly(url: string, head: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.write(head);
  const dripping = setInterval(() => socket.write("x"), 1_000);
  let heard = "";
  socket.setTimeout(answerMsMax, () => socket.destroy());
  socket.on("data", (chunk) => (heard += String(chunk)));
  socket.on("error", () => {}); // the server hangs up while a byte is on its way
  return new Promise((resolve) => {
    socket.on("close", () => {
      clearInterval(dripping);
      resolve(/^HTTP\/1.1 (\d+) /.exec(heard)?.[1] ?? "no answer");
    });
  });
}

function* pieces(): Generator<Buffer> {
  for (let sent = 0; sent < hugeBytes; sent += piece.length) yield piece.subarray(0, hugeBytes - sent);
}

/** Ids of the right form, from now on, and others. */
function guess(round: number): string {
  const hex = randomBytes(16).toString("hex");
  if (round % 4 === 0) return `..%2f${hex}`;
  const time = Date.now().toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-8${hex.slice(3, 6)}-${hex.slice(6, 18)}`;
}

function batchOf(bytes: number): Buffer {
  const line = `{"body":"${"x".repeat(2_000)}"}\n`;
  return Buffer.from(`${line.repeat(Math.floor(bytes / line.length))}{`);
}
