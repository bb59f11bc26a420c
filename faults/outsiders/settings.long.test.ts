// What operators write into settings: from the declarations themselves, each setting's ends, one step beyond, and nonsense. The
// real reader takes most of them; a sample goes through real processes.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { sluiceCommand, startChild, startSluice, temporaryFolder, type Child } from "@sluice/testing";
import fc from "fast-check";
import {
  clientSettings,
  memberSettings,
  planSettings,
  rehearseSettings,
  settingOption,
} from "../../packages/sluice/src/cli/flag-settings.ts";
import {
  fileSettings,
  queueSettings,
  retrySettings,
  scalingSettings,
} from "../../packages/sluice/src/config/declared-settings.ts";
import { parseDuration } from "../../packages/sluice/src/core/duration.ts";
import { SluiceError } from "../../packages/sluice/src/core/errors.ts";
import type { Setting } from "../../packages/sluice/src/core/setting.ts";
import { otelSettings, readOtelSetting } from "../../packages/sluice/src/telemetry/otel-settings.ts";
import { isFull } from "./effort.ts";
import { places, readFile, withQueue, type Place } from "./settings/places.ts";
import { beyond, wrongTexts, wrongValues } from "./settings/values.ts";

const flags = Object.entries({ ...memberSettings, ...clientSettings, ...planSettings, ...rehearseSettings });
const messageCharsMax = 600;
const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
});

/** One line of bounded length that names the setting, the rule and, in short, the value. */
function assertInWords(error: unknown, { name, setting }: Pick<Place, "name" | "setting">): true {
  assert.ok(error instanceof SluiceError, `not a refusal: ${String(error)}`);
  assert.equal(error.code, "bad-config");
  assert.ok(error.message.startsWith(`${name} must be `), error.message);
  assert.ok(error.message.includes(`from ${setting.min} to ${setting.max}, got `), error.message);
  assert.ok(error.message.length < messageCharsMax && !error.message.includes("\n"), error.message);
  return true;
}

describe("each setting of a file", () => {
  for (const { name, setting, read } of places)
    test(`${name} takes its minimum and its maximum`, () => {
      for (const value of [setting.min, setting.max]) read(value);
      if (setting.kind === "integer") read(Number(setting.max));
    });

  for (const { name, setting, read } of places)
    test(`${name} refuses one step beyond, and nonsense`, () => {
      const wrong = [...beyond(setting), ...wrongTexts(setting), ...wrongValues()];
      for (const value of wrong)
        assert.throws(
          () => read(value),
          (error) => assertInWords(error, { name, setting }),
        );
    });

  test("takes any value or refuses it in words", () => {
    const runs = { numRuns: isFull ? 20_000 : 1_000 };
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.oneof(anything, fc.string({ unit: "binary" })), (place, value) => {
        assertRefusedOrTaken(() => place.read(value));
      }),
      runs,
    );
  });
});

describe("the configuration as a whole", () => {
  const whole = withQueue(
    { retry: {}, scaling: {}, callback: { url: "https://a.example/" } },
    {
      data: "d",
      host: "127.0.0.1",
      adminHost: "::1",
      adminPort: 0,
      tls: { cert: "c", key: "k" },
      keys: undefined,
      hosts: [],
      activityLog: "a",
      cors: [],
      callbacks: { secret: "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", allow: [] },
      targets: { allow: [], schemes: ["http", "https"] },
      cluster: { databaseUrl: "postgres://h" },
    },
  );

  test("takes any value in any place, or refuses it in words", () => {
    readFile(whole);
    const objects = objectsIn(whole);
    const runs = { numRuns: isFull ? 50_000 : 2_000 };
    const value = fc.oneof(anything, fc.array(anything), fc.string(), fc.constantFrom(...wrongValues()));
    fc.assert(
      fc.property(fc.constantFrom(...objects), fc.nat(), value, (path, at, changed) => {
        const copy = structuredClone(whole);
        const place = path.reduce<Record<string, unknown>>((object, field) => object[field] as never, copy as never);
        const fields = Object.keys(place);
        place[fields[at % fields.length] ?? "extra"] = changed;
        assertRefusedOrTaken(() => readFile(copy));
      }),
      runs,
    );
  });

  test("suggests the field that a mistyped one stands for", () => {
    const typed: readonly (readonly [object, string])[] = [
      [{ retenton: "7d" }, "retention"],
      [{ bodymax: "1MiB" }, "bodyMax"],
      [{ queues: { orders: { target: "http://b", concurency: 3 } } }, "concurrency"],
      [{ queues: { orders: { target: "http://b", retry: { attemps: 3 } } } }, "attempts"],
      [{ queues: { orders: { target: "http://b", scaling: { maxwait: "5m" } } } }, "maxWait"],
      [{ tls: { certs: "c", key: "k" } }, "cert"],
    ];
    for (const [fields, meant] of typed)
      assert.throws(() => readFile({ ...withQueue({}), ...fields }), new RegExp(`did you mean ${meant}\\?$`));
    assert.throws(() => readFile(withQueue({}, { colour: "red" })), /got "colour"$/);
  });

  test("refuses settings that contradict each other", () => {
    const contradictions: readonly (readonly [object, RegExp])[] = [
      [{ retry: { backoff: "2m", backoffMax: "1m" } }, /backoffMax must be at least backoff, which is 2m, got "1m"$/],
      [{ scaling: { min: 3, max: 2 } }, /max must be at least min, which is 3, got 2$/],
    ];
    for (const [queue, message] of contradictions) assert.throws(() => readFile(withQueue({ ...queue })), message);
    readFile(withQueue({ retry: { backoff: "1d" }, scaling: { min: 20 } })); // where the other is a default, it follows
  });
});

test("what a timer waits for stays below what a timer takes", () => {
  const waited = [
    fileSettings.grace,
    queueSettings.timeout,
    memberSettings.every,
    memberSettings.waitForServers,
    rehearseSettings.patience,
  ];
  for (const { max } of waited) assert.ok(parseDuration(max) < 2 ** 31 - 1, max);
  for (const { max } of Object.values(otelSettings)) assert.ok(Number(max) < 2 ** 31 - 1, max);
});

describe("each setting of flags alone", () => {
  for (const [name, setting] of flags)
    test(`--${name} takes its ends, and refuses the rest in words`, () => {
      const parse = settingOption(`--${name} <value>`, "", setting).parseArg;
      for (const value of [setting.min, setting.max]) parse?.(value, undefined as never);
      // A duration without a unit is in seconds: what looks like that is not nonsense here.
      for (const value of [...beyond(setting), ...wrongTexts(setting)])
        assert.throws(() => parse?.(value, undefined as never), {
          code: "commander.invalidArgument",
          message: new RegExp(`^It must be .* from ${setting.min} to ${setting.max}, got `),
        });
    });

  for (const [name, setting] of Object.entries(otelSettings))
    test(`${name} is checked, and an empty one is none`, () => {
      const read = (value: string) => readOtelSetting(name as keyof typeof otelSettings, { [name]: value });
      for (const value of [setting.min, setting.max]) assert.equal(read(value), Number(value));
      for (const value of beyond(setting))
        assert.throws(
          () => read(value),
          (error) => assertInWords(error, { name, setting }),
        );
      assert.equal(read(""), Number(setting.default));
    });
});

describe("a process", () => {
  const queue = ["--queue", "orders", "--target", "http://127.0.0.1:9/"];
  const refusals: readonly (readonly [
    args: readonly string[],
    env: Record<string, string>,
    code: number,
    said: RegExp,
  ])[] = [
    [
      ["up", ...queue, "--timeout", "25d"],
      {},
      78,
      /^sluice: queues\.orders\.timeout must be a duration from 1ms to 24h, got "25d"$/,
    ],
    [["up", ...queue, "--timeout", "0.4ms"], {}, 78, /got "0\.4ms"$/],
    [["up", ...queue], { SLUICE_GRACE: "30d" }, 78, /^sluice: grace must be a duration from 0s to 24h, got "30d"$/],
    [["up", ...queue], { PORT: "http" }, 78, /^sluice: port must be an integer from 0 to 65535, got "http"$/],
    [["up", ...queue], { SLUICE_PROCESSES: "0" }, 64, /from 1 to 256 processes/],
    [["up", ...queue], { SLUICE_LOG_LEVEL: "shout" }, 64, /choices are debug, info/],
    [
      ["up", ...queue, "--concurrency", "9".repeat(100_000)],
      {},
      78,
      /^sluice: --concurrency must be an integer from 1 to 10000, got "9{100}…"$/,
    ],
    [["worker", ...queue, "--replicas", "1000000"], {}, 64, /It must be an integer from 1 to 256, got "1000000"/],
    [["plan", "--arrivals", "1/s for 1h", "--service", "0/s"], {}, 64, /It must be a rate from 1\/d/],
    [["get", "x", "--wait=25000d"], {}, 64, /It must be a duration from 0s to 30d, got "25000d"/],
  ];

  for (const [args, env, code, said] of isFull ? refusals : refusals.slice(0, 3))
    test(`refuses ${args
      .filter((arg) => !queue.includes(arg))
      .join(" ")
      .slice(0, 60)} ${Object.entries(env).join()}`, async () => {
      await using child = await startChild({ command: process.execPath, args: [sluiceCommand, ...args], env });
      assert.equal((await child.exited).code, code, child.output());
      const [line = "", ...more] = child.output().split("\n");
      assert.match(line, said);
      assert.ok(more.length <= 1, child.output()); // a hint at the help, and no stack
    });

  test("starts with every variable empty as with none", async () => {
    await using help = await startChild({ command: process.execPath, args: [sluiceCommand, "up", "--help"] });
    await help.exited;
    const names = [...help.output().matchAll(/\(?env:\s+([A-Z_]+)/g)].map(([, name]) => name as string);
    assert.ok(names.includes("SLUICE_GRACE") && names.length > 10, names.join());
    const others = ["SLUICE_CALLBACK_SECRET", "SLUICE_CALLBACK_SECRET_FILE", "SLUICE_CALLBACK_ALLOW"];
    const env = Object.fromEntries([...names, ...others, ...Object.keys(otelSettings)].map((name) => [name, ""]));
    await using folder = await temporaryFolder();
    await using server = await startSluice({ dataFolder: folder.path, args: queue, env });
    assert.match(server.url, /^http:\/\/127\.0\.0\.1:/);
  });
});

describe("at its maximum", () => {
  const answers: (() => void)[] = [];
  const target = createServer((_request, response) => void answers.push(() => response.end("done")));
  after(() => target.close());

  // Cut off at once, an attempt never reaches the target: the bound is for that.
  test("a timeout and a grace are not over at once", { timeout: 120_000 }, async () => {
    target.listen(0, "127.0.0.1");
    await once(target, "listening");
    const { port } = target.address() as AddressInfo;
    await using folder = await temporaryFolder();
    const most = ["--timeout", queueSettings.timeout.max, "--grace", fileSettings.grace.max, "--linger", "0s"];
    const args = ["--queue", "orders", "--target", `http://127.0.0.1:${port}/`, ...most];
    await using server = await startSluice({ dataFolder: folder.path, args });
    const answer = submit(server.url);
    await once(target, "request");
    await sleep(100); // in which a timer that fires at once cuts the attempt off
    server.kill("SIGTERM");
    await server.line(/"msg":"stopping"/);
    await sleep(100);
    assert.equal(answers.length, 1, "the attempt was cut off, and tried again");
    answers[0]?.();
    assert.equal((await answer).status, 200);
    assert.deepEqual(await server.exited, { code: 0, signal: null }, server.output());
  });

  test("everything together starts and serves, and so does everything at its minimum", async () => {
    for (const end of ["max", "min"] as const) {
      await using folder = await temporaryFolder();
      await using server = await startWith(end, folder.path);
      const ready = await fetch(`${server.url}/readyz`);
      assert.equal(ready.status, 200, await ready.text());
    }
  });
});

function submit(url: string): Promise<Response> {
  const headers = { "content-type": "application/json", prefer: "wait=30" };
  return fetch(`${url}/v1/queues/orders/requests`, { method: "POST", headers, body: "{}" });
}

/** A free disk beyond what there is, and ports that others have, are no test of a setting. */
async function startWith(end: "min" | "max", folder: string): Promise<Child & { readonly url: string }> {
  const file = join(folder, "ends.config.ts");
  const { port: _port, adminPort: _adminPort, diskFreeMin: _disk, ...own } = fileSettings;
  const at = (settings: Readonly<Record<string, Setting>>) =>
    Object.fromEntries(Object.entries(settings).map(([field, setting]) => [field, setting[end]]));
  const queues = {
    orders: {
      target: "http://127.0.0.1:9/",
      ...at(queueSettings),
      retry: at(retrySettings),
      scaling: at(scalingSettings),
    },
  };
  await writeFile(file, `export default ${JSON.stringify({ ...at(own), queues })}`);
  return startSluice({ dataFolder: join(folder, "data"), configFile: file });
}

function assertRefusedOrTaken(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof SluiceError, `not a refusal: ${error instanceof Error ? error.stack : String(error)}`);
    assert.equal(error.code, "bad-config");
    assert.ok(error.message.length < 10_000, error.message.slice(0, 200));
  }
}

/** The way to each object of a configuration. */
function objectsIn(value: object, path: readonly string[] = []): readonly (readonly string[])[] {
  const below = Object.entries(value).flatMap(([field, member]: [string, unknown]) =>
    typeof member === "object" && member !== null && !Array.isArray(member) ? objectsIn(member, [...path, field]) : [],
  );
  return [path, ...below];
}
