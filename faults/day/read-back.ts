// Reads back over HTTP what became of a day's requests: the whole list, and every result.
import { Client } from "undici";
import { sha256Of } from "../parcel.ts";
import type { ListedRequest, Tally } from "./tally.ts";

const readersPerGateway = 32;
const listLimit = 1_000;
const answerMsMax = 120_000;

export interface ReadBackOptions {
  readonly urls: readonly [string, ...string[]];
  readonly tally: Tally;
  readonly total: number;
}

/** Hands all of it to the tally. Nothing may be killed now. */
export async function readBack({ urls, tally, total }: ReadBackOptions): Promise<void> {
  let next = 0;
  const readInTurn = async (url: string): Promise<void> => {
    const client = clientOf(url);
    for (let number = next++; number < total; number = next++) await readResult(client, tally, number);
    await client.close();
  };
  const readers = urls.flatMap((url) => Array.from({ length: readersPerGateway }, () => readInTurn(url)));
  await Promise.all([readList(urls[0], tally), ...readers]);
}

async function readList(url: string, tally: Tally): Promise<void> {
  const client = clientOf(url);
  for (let cursor = ""; ;) {
    const { statusCode, body } = await client.request({
      method: "GET",
      path: `/v1/requests?limit=${listLimit}${cursor}`,
    });
    if (statusCode !== 200) throw new Error(`the list answered ${statusCode}: ${await body.text()}`);
    const page = (await body.json()) as { requests: readonly ListedRequest[]; nextCursor: string | null };
    for (const listed of page.requests) tally.heedListed(listed);
    if (page.nextCursor === null) break;
    cursor = `&cursor=${encodeURIComponent(page.nextCursor)}`;
  }
  await client.close();
}

async function readResult(client: Client, tally: Tally, number: number): Promise<void> {
  const id = tally.idOf(number);
  if (id === undefined) return; // told as without receipt
  const text = await resultText(client, id);
  if (text !== undefined) tally.heedResult(number, { resultHash: sha256Of(Buffer.from(text)), resultOf: hashIn(text) });
}

/** Undefined when there is no result. */
export async function resultText(client: Client, id: string): Promise<string | undefined> {
  const { statusCode, body } = await client.request({ method: "GET", path: `/v1/requests/${id}/result` });
  const text = await body.text();
  return statusCode === 200 ? text : undefined;
}

function clientOf(url: string): Client {
  return new Client(url, { headersTimeout: answerMsMax, bodyTimeout: answerMsMax });
}

/** The hash that B wrote; what is not B's answer has none. */
function hashIn(text: string): string | undefined {
  return /^\{"sha256":"([0-9a-f]{64})","run":"[0-9a-f-]{36}"\}$/.exec(text)?.[1];
}
