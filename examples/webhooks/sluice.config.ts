import { defineConfig } from "sluice";
import { summarise } from "./summarise.ts";

export default defineConfig({
  queues: {
    // A slow service behind would get its pace here: rate: "100000/h".
    github: { concurrency: 32, handle: summarise },
  },
});
