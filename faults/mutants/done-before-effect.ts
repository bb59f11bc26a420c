import type { Mutant } from "./mutant.ts";

/** A bug of the worker's, which knows no engine. */
export const doneBeforeEffect: Pick<Mutant, "name" | "bug" | "patches"> = {
  name: "done-before-effect",
  bug: "a request is marked done before its handler runs: the textbook's set of seen ids",
  patches: [
    {
      file: "packages/sluice/src/worker/worker.ts",
      from: "    const end = await this.#attempt(",
      to: `    const sha256 = process.getBuiltinModule("node:crypto").createHash("sha256").update(delivery.request.body).digest("hex");
    const result = { contentType: "application/json", bytes: Buffer.from(JSON.stringify({ sha256 })) };
    await this.#options.engine.settle(delivery.claim, { kind: "done", result });
    const end = await this.#attempt(`,
    },
  ],
};
