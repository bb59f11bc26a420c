import { hash } from "node:crypto";
import { defineConfig } from "sluice";
import { openDayLog } from "./day-logs.ts";

const folder = process.env["DAY_FOLDER"];
const rate = process.env["DAY_RATE"];
// A gateway of a cluster runs no handler and has no logs to write.
const started = folder === undefined ? undefined : openDayLog(folder, "starts");
const effected = folder === undefined ? undefined : openDayLog(folder, "effects");

/** Service B in the worker's own process: its effect is a line in a log, its result the hash of the body. */
export default defineConfig({
  queues: {
    orders: {
      concurrency: 64,
      ...(rate !== undefined && { rate }),
      handle({ id, bytes }) {
        const sha256 = hash("sha256", bytes, "hex");
        started?.(id, sha256);
        effected?.(id, sha256);
        return { sha256, run: crypto.randomUUID() };
      },
    },
  },
});
