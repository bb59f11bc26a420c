// Bodies of one connection that follow each other in one packet: the second one arrives before the first one is taken up.
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";

const limits = { bodyBytesMax: 100_000, arrivingBytesMax: 100_000, batchBytesMax: 500_000, batchesBytesMax: 500_000 };

interface Case {
  readonly route: string;
  /** Bytes of a body that goes on arriving; of one that ends; and of those the ones that come in its last packet. */
  readonly slow: number;
  readonly whole: number;
  readonly last: number;
}

/** The third body is one byte too much for the room, and the second one is the largest then. */
const cases: Readonly<Record<string, Case>> = {
  "a batch of several pieces": { route: "batches", slow: 200_000, whole: 299_900, last: 400 },
  "a batch of one piece": { route: "batches", slow: 450_000, whole: 49_900, last: 49_900 },
  "a body of several pieces": { route: "requests", slow: 20_000, whole: 79_900, last: 400 },
  "a body of one piece": { route: "requests", slow: 50_000, whole: 49_900, last: 49_900 },
};

function headOf(route: string, bytes: number): string {
  return `POST /v1/queues/orders/${route} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${bytes}\r\n\r\n`;
}

class Sender implements Disposable {
  readonly #socket: Socket;
  #heard = "";

  constructor(url: string) {
    this.#socket = connect(Number(new URL(url).port), "127.0.0.1").setNoDelay();
    this.#socket.on("error", () => undefined).on("data", (chunk) => (this.#heard += String(chunk)));
  }

  /** Long enough for it to be read. */
  async write(text: string): Promise<void> {
    this.#socket.write(text);
    await delay(100);
  }

  async answers(count: number): Promise<readonly string[]> {
    const signal = AbortSignal.timeout(5_000);
    for (;;) {
      const statuses = [...this.#heard.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1] ?? "");
      if (statuses.length >= count || signal.aborted) return statuses;
      await delay(20);
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

describe("a body that is whole when the room for bodies is taken by the next one of its connection", () => {
  for (const [what, { route, slow, whole, last }] of Object.entries(cases))
    test(`is answered 503 or taken, and nothing breaks: ${what}`, async () => {
      await using sut = await GatewayUnderTest.open({ limits });
      const pieces = Math.ceil(slow / 45_000);
      const slowOnes = Array.from({ length: pieces }, () => new Sender(sut.url));
      using owned = new DisposableStack();
      for (const sender of slowOnes) owned.use(sender);
      await Promise.all(slowOnes.map((one) => one.write(headOf(route, 60_000) + " ".repeat(slow / pieces))));
      const sender = owned.use(new Sender(sut.url));
      await sender.write(headOf(route, whole) + " ".repeat(whole - last));
      await sender.write(`${" ".repeat(last)}${headOf(route, 500)}${" ".repeat(500)}`);
      const [first, second] = await sender.answers(2);
      assert.match(first ?? "none", route === "batches" ? /^(?:503|400)$/ : /^(?:503|202)$/);
      assert.match(second ?? "none", route === "batches" ? /^(?:503|400)$/ : /^(?:503|202)$/);
      assert.equal((await sut.fetch("/livez")).status, 200);
    });
});
