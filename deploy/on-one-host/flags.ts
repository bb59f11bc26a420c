import { fileURLToPath } from "node:url";

export const flags = {
  data: { type: "string", default: "cluster-data" },
  config: {
    type: "string",
    default: fileURLToPath(new URL("../../examples/webhooks/sluice.config.ts", import.meta.url)),
  },
  port: { type: "string", default: "8080" },
  gateways: { type: "string", default: "2" },
  workers: { type: "string", default: "2" },
  "only-postgres": { type: "boolean", default: false },
} as const;

export type ClusterFlags = {
  readonly [Name in keyof typeof flags]: (typeof flags)[Name]["type"] extends "boolean" ? boolean : string;
};

/** What goes wrong is told in a sentence; resolves to the exit code. */
export async function catchErrors(main: () => Promise<number>): Promise<number> {
  try {
    return await main();
  } catch (error) {
    console.error(`up:cluster: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}
