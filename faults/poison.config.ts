import { defineConfig } from "sluice";
import { appendLog } from "./logs.ts";
import { sha256Of } from "./parcel.ts";

const folder = process.env["FAULTS_FOLDER"] ?? "";

/** A handler in the worker's own process, with one kind of body that kills it. */
export default defineConfig({
  queues: {
    orders: {
      concurrency: 8,
      handle(request) {
        const { id, bytes } = request;
        const sha256 = sha256Of(bytes);
        appendLog(folder, "starts", { id, sha256 });
        if (request.text() === "poison") process.kill(process.pid, "SIGKILL");
        appendLog(folder, "effects", { id, sha256 });
        return { sha256, run: crypto.randomUUID() };
      },
    },
  },
});
