// A handler that costs next to nothing, so that what is measured is Sluice. It rejects what begins with "hopeless" until
// somebody writes the file `mercy`.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, Reject } from "sluice";
import { appendLog } from "../logs.ts";
import { sha256Of } from "../parcel.ts";
import { hopeless } from "./parcels.ts";

const folder = process.env["FAULTS_FOLDER"] ?? "";

export default defineConfig({
  queues: {
    orders: {
      concurrency: 64,
      handle({ id, bytes }) {
        const sha256 = sha256Of(bytes);
        appendLog(folder, "starts", { id, sha256 });
        if (hopeless.every((byte, at) => bytes[at] === byte) && !existsSync(join(folder, "mercy")))
          throw new Reject("there is no mercy yet");
        appendLog(folder, "effects", { id, sha256 });
        return { sha256, run: crypto.randomUUID() };
      },
    },
    // Takes lists of lists only: for what does not fit.
    lists: { schema: { type: "array", items: { $ref: "#" } }, handle: () => undefined },
  },
});
