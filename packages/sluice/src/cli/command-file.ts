import { fileURLToPath } from "node:url";

/** The file of the `sluice` command, for processes that run it. */
export const sluiceCommand = fileURLToPath(new URL("../../bin/sluice.js", import.meta.url));
