// A callback: what is posted to a URL once a request has its outcome. It is a request itself, of a queue of Sluice's own,
// so that whatever holds for requests holds for it. Pure: what it says follows from the outcome alone, so that a callback
// made twice is the same one.
import { SluiceError } from "./errors.ts";
import type { Content, NewRequest, RequestStatus } from "./request.ts";
import type { RequestId } from "./request-id.ts";
import { requestView } from "./request-view.ts";

/** Its requests are the callbacks; nobody else's requests are taken into it. */
export const callbackQueue = "sluice-callbacks";

/** What a callback keeps in its headers: where it goes, and the queue whose secret signs it. They are not sent. */
export const callbackUrlHeader = "sluice-callback-url";
export const callbackOriginHeader = "sluice-callback-origin";

/** A result up to here is in the callback; of a larger one it says where to read it. */
export const callbackResultBytesMax = 256 * 1024;

const urlLengthMax = 2_048;

/** A request with its outcome, whose callback has not been made. */
export interface DueCallback {
  readonly id: RequestId;
  readonly url: string;
  /** How often the request was replayed: an outcome for each. */
  readonly round: number;
  /** Of the outcome. */
  readonly finishedAt: number;
  /** What is known of the result of one that is done, without its bytes. */
  readonly result: { readonly contentType: string; readonly byteCount: number } | undefined;
}

/** Errors: `bad-callback`, with the rule that the URL breaks. */
export function parseCallbackUrl(text: string): URL {
  const rule = "a callback is an http or https URL of up to 2048 characters, without user, password and fragment";
  const url = text.length > urlLengthMax ? null : URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) throw new SluiceError("bad-callback", rule);
  if (url.username !== "" || url.password !== "" || url.hash !== "") throw new SluiceError("bad-callback", rule);
  return url;
}

export interface CallbackInput {
  readonly callback: DueCallback;
  /** Of the request, with the outcome that the callback is due for. */
  readonly status: RequestStatus;
  /** Needed where it is not over the bound. */
  readonly result: Content | undefined;
}

/** The callback as a request. Its key makes it one for each outcome, however often it is accepted. */
export function callbackRequestOf({ callback, status, result }: CallbackInput): NewRequest {
  return {
    queue: callbackQueue,
    key: `${callback.id}.${callback.round}`,
    contentType: "application/json",
    headers: { [callbackUrlHeader]: callback.url, [callbackOriginHeader]: status.queue },
    body: Buffer.from(bodyOf({ callback, status, result })),
  };
}

/** JSON, put together from text: a result keeps the digits that a double could not hold. */
function bodyOf({ callback, status, result }: CallbackInput): string {
  const { finishedAt } = callback;
  const timestamp = new Date(finishedAt).toISOString();
  const view = JSON.stringify(requestView(status, undefined)).slice(0, -1);
  const data = `${view},"result":${resultText(callback, result)}}`;
  return `{"type":"request.${status.state}","timestamp":"${timestamp}","data":${data}}`;
}

function resultText({ id, result: known }: DueCallback, result: Content | undefined): string {
  if (known === undefined) return "null";
  const { contentType, byteCount: bytes } = known;
  if (result === undefined) return JSON.stringify({ contentType, bytes, path: `/v1/requests/${id}/result` });
  const text = textOf(result.bytes);
  if (text !== undefined && isJsonType(contentType) && isJson(text)) {
    return `${JSON.stringify({ contentType, bytes }).slice(0, -1)},"body":${text}}`;
  }
  if (text !== undefined && /^text\//i.test(contentType)) return JSON.stringify({ contentType, bytes, text });
  return JSON.stringify({ contentType, bytes, base64: Buffer.from(result.bytes).toString("base64") });
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Undefined when it is no UTF-8. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function isJsonType(contentType: string): boolean {
  return /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(contentType);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
