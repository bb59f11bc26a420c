import { randomFillSync } from "node:crypto";

/** Eight random bytes at a time out of a pool: a call to the system's source costs as much for 8 as for 8,192. */
export function randomSource(): () => Uint8Array {
  const pool = new Uint8Array(8_192);
  let used = pool.length;
  return () => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    used += 8;
    return pool.subarray(used - 8, used);
  };
}
