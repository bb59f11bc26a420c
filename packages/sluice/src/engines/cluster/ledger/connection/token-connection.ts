// Connections that draw fencing tokens. Claims do not wait for the disk, so a server that crashed may have forgotten the
// last tokens it gave. Whoever connects begins far behind them, for certain: no token is given twice (I3).
import { Connection, type ConnectionOptions } from "./database.ts";

/** The first key of an advisory lock of this. */
const lockClass = 0x51_1c_e0;
/**
 * More than can be drawn in the moments that a crash may lose. One at a time, so that none steps back. How much more is drawn by chance:
 * a standby that takes over may not know of the last ones, if the wait for it was cancelled.
 */
const SKIP_TOKENS = `BEGIN; SET LOCAL synchronous_commit = on; SELECT pg_advisory_xact_lock(${lockClass}, -1);
  SELECT setval('sluice.tokens', nextval('sluice.tokens') + 1048576 + (random() * 1048576)::bigint); COMMIT`;

/** `onReconnect` is told of each connection but the first: it may be to another server, or to one that was restored. */
export function tokenConnection(
  options: Omit<ConnectionOptions, "onConnect">,
  onReconnect: () => void = () => undefined,
): Connection {
  let isFirst = true;
  return new Connection({
    ...options,
    async onConnect(connection) {
      await connection.script(SKIP_TOKENS);
      if (!isFirst) onReconnect();
      isFirst = false;
    },
  });
}
