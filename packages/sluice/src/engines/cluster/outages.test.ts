import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { openLog } from "../../telemetry/log.ts";
import { Outages } from "./outages.ts";

test("a full disk keeps requests out until a second after it last refused one, and is told of until one is stored", () => {
  let now = 0;
  const outages = new Outages(openLog({ level: "silent", isPretty: false }), { monotonic: () => now });
  const full = { code: "disk-full", message: "no room" } as const;
  outages.begin(full.code, full.message);
  now = 999;
  deepEqual(outages.health(), { problems: [full], degradations: [] });
  now = 1_000;
  deepEqual(outages.health(), { problems: [], degradations: [full] });
  outages.begin(full.code, full.message);
  deepEqual(outages.health(), { problems: [full], degradations: [] });
  outages.end(full.code);
  deepEqual(outages.health(), { problems: [], degradations: [] });
});
