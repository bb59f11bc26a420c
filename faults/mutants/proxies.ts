// What senders and proxies would notice.
import type { Mutant } from "./mutant.ts";

const gateway = "packages/sluice/src/gateway";
const proxies = {
  kind: "test",
  file: "faults/outsiders/proxies.long.test.ts",
  cases: "no request fails and none is lost",
} as const;

export const proxyMutants: readonly Mutant[] = [
  {
    name: "stop-without-lingering",
    engine: "embedded",
    bug: "on SIGTERM a gateway cuts its connections and leaves its port at once",
    patches: [
      {
        file: `${gateway}/gateway.ts`,
        from: "    if (ms > 0) await sleep(ms, undefined, { signal: hurry }).catch(() => {});",
        to: "    void [ms, hurry, sleep]; this.#app.server.closeAllConnections();",
      },
    ],
    catcher: proxies,
    sign: /request \d+: 502|ECONNRESET|UND_ERR_SOCKET|socket hang up/,
  },
  {
    name: "refuse-while-lingering",
    engine: "embedded",
    bug: "a gateway that lingers refuses new requests with 503 already",
    patches: [
      {
        file: `${gateway}/admission.ts`,
        from: "    if (this.#isClosed) throw",
        to: "    if (this.#isDraining) throw",
      },
    ],
    catcher: proxies,
    sign: /request \d+: 503|a response 503/,
  },
  {
    name: "coerced-limit",
    engine: "embedded",
    bug: "whatever JavaScript makes a number of is taken as the limit of a list",
    patches: [
      {
        file: `${gateway}/list-query.ts`,
        from: "/^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : Number.NaN",
        to: "Number(text)",
      },
    ],
    catcher: { kind: "test", file: `${gateway}/bad-input.test.ts`, cases: "a query parameter that does not parse" },
    sign: /✖ a query parameter that does not parse is 400 and named: limit=/,
  },
];
