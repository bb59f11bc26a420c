import { defineConfig, github, header, secret } from "sluice";
import { summarise } from "./summarise.ts";

const isSigned = process.env["GITHUB_WEBHOOK_SECRET"] !== undefined;

export default defineConfig({
  // GitHub itself can send here: it signs each delivery with the secret, and names it in a header.
  ...(isSigned && {
    front: {
      port: 8081,
      routes: {
        "POST /hooks/github": {
          queue: "github",
          verify: github({ secret: secret("GITHUB_WEBHOOK_SECRET") }),
          key: header("x-github-delivery"),
          headers: ["x-github-*"],
        },
      },
    },
  }),
  queues: {
    // A slow service behind would get its pace here: rate: "100000/h".
    github: { concurrency: 32, handle: summarise },
  },
});
