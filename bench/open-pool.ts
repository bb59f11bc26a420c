import { Pool } from "undici";

/** Connections that stay open. Disposing waits for the answers under way. */
export function openPool(origin: string, connections: number): Pool & AsyncDisposable {
  const pool = new Pool(origin, { connections });
  return Object.assign(pool, { [Symbol.asyncDispose]: () => pool.close() });
}
