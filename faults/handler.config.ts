// Service B in the worker's own process. Its effect is a line in a log, its result the hash of the body and a word that
// no other run repeats. Some bodies ask for more.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, Reject, type QueueConfig } from "sluice";
import { appendLog } from "./logs.ts";
import { sha256Of } from "./parcel.ts";

const folder = process.env["FAULTS_FOLDER"] ?? "";
const settings = JSON.parse(process.env["FAULTS_QUEUE"] ?? "{}") as Pick<QueueConfig, "concurrency" | "scaling">;
const { scaling } = settings;
const nobody = new Int32Array(new SharedArrayBuffer(4)); // wakes it

export default defineConfig({
  queues: {
    orders: {
      concurrency: 64,
      ...settings,
      handle(request) {
        const { id, bytes } = request;
        const sha256 = sha256Of(bytes);
        appendLog(folder, "starts", { id, sha256 });
        obey(request.text());
        appendLog(folder, "effects", { id, sha256 });
        return { sha256, run: crypto.randomUUID() };
      },
    },
    // Takes lists of lists only: for what does not fit. One that held on for longer would keep the other's replicas.
    lists: { ...(scaling && { scaling }), schema: { type: "array", items: { $ref: "#" } }, handle: () => undefined },
  },
});

function obey(text: string): void {
  if (text === "poison") process.kill(process.pid, "SIGKILL");
  if (text.startsWith('"hopeless') && !existsSync(join(folder, "mercy"))) throw new Reject("there is no mercy yet");
  // Holds the process for so long, as one does that computes, but leaves the cores to the others: so what one replica
  // finishes is the same on any machine, and more of them do more on two cores as well.
  const [, holdMs] = /"holdMs":(\d+)/.exec(text) ?? [];
  if (holdMs !== undefined) Atomics.wait(nobody, 0, 0, Number(holdMs));
}
