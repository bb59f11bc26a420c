// How much of the spool's size a request takes: its bytes, and what its rows take beside them. Pure.
import type { NewRequest } from "../core/request.ts";

const rowBytes = 256;

/** No request takes less. */
export const chargeMin = rowBytes;

export function chargeOf({ body, key, sender, headers, path, callback }: NewRequest): number {
  let bytes = rowBytes + body.byteLength + (path?.length ?? 0) + (callback?.length ?? 0);
  if (key !== undefined) bytes += 2 * (key.length + (sender?.length ?? 0));
  for (const name in headers) bytes += name.length + (headers[name]?.length ?? 0) + 6;
  return bytes;
}

/** What the rows of so many requests take. */
export function chargedFor(count: number): number {
  return rowBytes * count;
}
