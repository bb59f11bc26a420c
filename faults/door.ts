// Where a client's calls come in: at the API, or at the front, as calls of B's own.

/**
 * `front-wait`: at the front, and its sender waits for B's own response. `ordered`: at the API, and each has an order key, a group
 * and an urgency.
 */
export type Door = "api" | "front" | "front-wait" | "ordered";

export interface Call {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

const methods = ["POST", "PUT", "PATCH", "DELETE"];

const orderKeys = 12;

/** The order key follows from the body's hash: the checker finds it again in the logs of service B. */
export function orderOf(sha256: string): string {
  return `k${Number.parseInt(sha256.slice(0, 4), 16) % orderKeys}`;
}

export function orderedHeaders(sha256: string): Readonly<Record<string, string>> {
  const drawn = Number.parseInt(sha256.slice(4, 8), 16);
  return { "sluice-order": orderOf(sha256), "sluice-group": `g${drawn % 3}`, priority: `u=${drawn % 8}` };
}

/** The call with such a body at the front. B must get the same one: it is told by the body's hash. */
export function frontCall(sha256: string): Call {
  const method = methods[Number.parseInt(sha256.slice(0, 2), 16) % methods.length] as string;
  return { method, path: `/parcels/${sha256}?as=%20${method}`, headers: { "x-parcel": `${method} ${sha256}` } };
}
