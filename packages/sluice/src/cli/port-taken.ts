import { SluiceError } from "../core/errors.ts";

interface ListenError extends Error {
  readonly code?: string;
  readonly port?: number;
  readonly address?: string;
}

/** The error of a port that is in use, in words that help; any other as it is. */
export function orPortTaken(error: unknown): unknown {
  const { code, port, address } = error as ListenError;
  if (code !== "EADDRINUSE") return error;
  return new SluiceError("bad-config", `port ${port} of ${address} is in use: give another`);
}
