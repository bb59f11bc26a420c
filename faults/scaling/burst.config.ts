// A slow handler: for as long as the body says it holds its process, as one does that computes, but leaves the cores to
// the others. So what one replica finishes is the same on any machine, and more of them do more on two cores as well.
import { defineConfig } from "sluice";
import { appendLog } from "../logs.ts";
import { sha256Of } from "../parcel.ts";
import { scaling } from "./burst-shape.ts";

const folder = process.env["FAULTS_FOLDER"] ?? "";
const nobody = new Int32Array(new SharedArrayBuffer(4)); // wakes it

export default defineConfig({
  queues: {
    orders: {
      scaling,
      concurrency: 32,
      handle(request) {
        const { id, bytes } = request;
        const sha256 = sha256Of(bytes);
        appendLog(folder, "starts", { id, sha256 });
        const { holdMs } = request.json() as { readonly holdMs: number };
        Atomics.wait(nobody, 0, 0, holdMs);
        appendLog(folder, "effects", { id, sha256 });
        return { sha256, run: crypto.randomUUID() };
      },
    },
  },
});
