import { apiKey, basic, defineConfig, github, header, json, query, slack } from "sluice";

const { B_URL = "", GOOD_URL = "" } = process.env;
const retry = { attempts: 3, backoff: "10ms", backoffMax: "50ms" };

export default defineConfig({
  queues: {
    good: { target: GOOD_URL },
    hostile: { target: { url: B_URL, path: "append" }, timeout: "1s", resultMax: "1KiB", retry },
    handled: { handle: ({ method, path }) => ({ method, path }) },
    strict: { schema: { type: "object", required: ["id"] }, handle: () => undefined },
  },
  front: {
    routes: {
      "/good/*": { queue: "good" },
      "/b/*": { queue: "hostile", wait: "1s", concurrency: 20 },
      "/basic/*": { queue: "hostile", verify: basic({ username: "me", password: "password" }) },
      "/key/*": { queue: "hostile", verify: apiKey({ query: "key", secret: "password" }) },
      "POST /github": { queue: "handled", verify: github({ secret: "password" }), key: header("x-github-delivery") },
      "POST /slack": { queue: "handled", verify: slack({ secret: "password" }), key: json("/event_id") },
      "POST /graph": { queue: "handled", handshake: "microsoft-graph", key: query("id") },
      "POST /json": { queue: "handled", key: json("/a/0/id") },
      "POST /both": { queue: ["handled", "strict"], wait: "1s" },
      "POST /small": {
        queue: "handled",
        bodyMax: "64B",
        rate: "20/s",
        answer: { contentType: "text/xml", body: "<a/>" },
      },
      "/handled/:name": { queue: "handled", wait: "1s", headers: ["x-*", "__proto__", "constructor"] },
    },
  },
});
