// The bodies that every peer gets.
import { webhooks } from "../examples/webhooks/webhooks.ts";

const order = {
  n: 4711,
  order: "2026-0004711",
  customer: { name: "Ada Lovelace", email: "ada@example.org", country: "GB" },
  lines: [
    { sku: "SLU-100-BLU", quantity: 2, unitPriceCents: 1999 },
    { sku: "SLU-220-RED", quantity: 1, unitPriceCents: 4950 },
    { sku: "SLU-305-BLK", quantity: 5, unitPriceCents: 349 },
  ],
  note: "",
};

/** JSON of exactly 512 bytes, as an order might look. */
export const body: string = filledUp(order, 512);

/** A small reading, JSON of exactly 100 bytes. */
export const body100B: string = filledUp({ n: 4711, sensor: "hall-3/east", celsius: 21.4, note: "" }, 100);

/** The real webhook that comes nearest to 8 KB. */
export const body8Kb: string = nearestWebhook(8 * 1024);

/** JSON of exactly 256 KiB: real webhooks, as a front might hand them on together. */
export const body256Kb: string = filledUp({ n: 4711, webhooks: webhooksOf(240 * 1024), note: "" }, 256 * 1024);

function filledUp(value: Readonly<Record<string, unknown>>, bytes: number): string {
  const left = bytes - Buffer.byteLength(JSON.stringify(value));
  if (left < 0) throw new Error(`the body is ${-left} bytes longer than ${bytes}`);
  const sentence = "Leave it with the neighbours. ";
  return JSON.stringify({ ...value, note: sentence.repeat(Math.ceil(left / sentence.length)).slice(0, left) });
}

function nearestWebhook(bytes: number): string {
  const distance = (text: string): number => Math.abs(Buffer.byteLength(text) - bytes);
  return webhooks
    .map(({ payload }) => JSON.stringify(payload))
    .reduce((nearest, text) => (distance(text) < distance(nearest) ? text : nearest));
}

function webhooksOf(bytesMax: number): readonly unknown[] {
  let bytes = 0;
  return webhooks
    .map(({ payload }) => payload)
    .filter((payload) => {
      const more = Buffer.byteLength(JSON.stringify(payload)) + 1;
      if (bytes + more > bytesMax) return false;
      bytes += more;
      return true;
    });
}
