// Where a client's calls come in: at the API, or at the front, as calls of B's own.

/** `front-wait`: at the front, and its sender waits for B's own response. */
export type Door = "api" | "front" | "front-wait";

export interface Call {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

const methods = ["POST", "PUT", "PATCH", "DELETE"];

/** The call with such a body at the front. B must get the same one: it is told by the body's hash. */
export function frontCall(sha256: string): Call {
  const method = methods[Number.parseInt(sha256.slice(0, 2), 16) % methods.length] as string;
  return { method, path: `/parcels/${sha256}?as=%20${method}`, headers: { "x-parcel": `${method} ${sha256}` } };
}
