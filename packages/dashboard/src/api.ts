// Calls to the gateway that served this page. The key, if it asks for one, is kept for this tab alone.
import type { WireProblem } from "@sluice/client";

const storageName = "sluice-api-key";

/** Null forgets it. */
export function keepKey(key: string | null): void {
  if (key === null) sessionStorage.removeItem(storageName);
  else sessionStorage.setItem(storageName, key);
}

export function hasKey(): boolean {
  return sessionStorage.getItem(storageName) !== null;
}

/** An answer that is no success; the message is for people. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface CallOptions {
  readonly method?: "GET" | "POST";
  readonly json?: unknown;
  readonly signal?: AbortSignal;
}

/** Throws an ApiError for an answer that is no success, and what fetch throws when there is none. */
export async function call(path: string, { method = "GET", json, signal }: CallOptions = {}): Promise<Response> {
  const key = sessionStorage.getItem(storageName);
  const response = await fetch(path, {
    method,
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(json === undefined ? {} : { "content-type": "application/json" }),
    },
    body: json === undefined ? null : JSON.stringify(json),
    cache: "no-store",
    signal: signal ?? null,
  });
  if (!response.ok) throw await errorOf(response);
  return response;
}

export async function callJson<Answer>(path: string, options: CallOptions = {}): Promise<Answer> {
  return (await (await call(path, options)).json()) as Answer;
}

async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const { detail, title } = JSON.parse(text) as Partial<WireProblem>;
    return new ApiError(response.status, detail ?? title ?? `the gateway answered ${response.status}`);
  } catch {
    return new ApiError(response.status, `the gateway answered ${response.status}`); // something else stands between
  }
}

export function problemWords(error: unknown): string {
  if (error instanceof ApiError && error.status === 403) return `This key may not do that: ${error.message}`;
  if (error instanceof ApiError) return error.message;
  return "The gateway does not answer.";
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** The chunks of an answer's body; leaving early cancels the rest. */
export async function* chunksOf(
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel();
  }
}
