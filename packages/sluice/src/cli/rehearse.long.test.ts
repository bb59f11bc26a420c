// Rehearsals as their users have them: against a real `sluice up`, which is killed on the way and started again.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { freePort, startSluice, temporaryFolder, type Sluice } from "@sluice/testing";
import { runSluice, type Ended } from "../../test/run-sluice.ts";

const entry = JSON.stringify(new URL("../index.ts", import.meta.url).href);

const echoConfig = (rate: string): string => `
import { defineConfig } from ${entry};

export default defineConfig({ queues: { orders: { rate: "${rate}", handle: (request) => request.json() } } });
`;

interface View {
  readonly ok: boolean;
  readonly interrupted: boolean;
  readonly violations: readonly string[];
  readonly wrong: readonly string[];
  readonly figures: Readonly<Record<string, number | null>>;
  readonly kills: readonly { readonly name: string; readonly failure: string | null }[];
  readonly peakBacklog: { readonly measured: number; readonly planned: number | null };
  readonly groups: readonly { readonly group: string; readonly requests: number; readonly p99WaitSeconds: number }[];
  readonly curve: readonly { readonly backlog: number; readonly planned: number | null }[];
}

const viewOf = ({ stdout }: Ended): View => JSON.parse(stdout) as View;

interface Deployment extends AsyncDisposable {
  readonly url: string;
  readonly dataFolder: string;
  readonly folder: string;
  /** Holds the id of the process that serves. */
  readonly pidFile: string;
}

/** A server that is started again whenever it dies, as every deployment's is. */
async function deploy({ config, whileDown = () => {} }: { config: string; whileDown?: (data: string) => void }) {
  const resources = new AsyncDisposableStack();
  const folder = resources.use(await temporaryFolder());
  const [configFile, dataFolder] = [join(folder.path, "sluice.config.ts"), join(folder.path, "data")];
  const pidFile = join(folder.path, "pid");
  await writeFile(configFile, config);
  const port = await freePort();
  let isOver = false;
  const start = async (): Promise<Sluice> => {
    const started = await startSluice({ dataFolder, configFile, port });
    await writeFile(pidFile, String(started.pid));
    return started;
  };
  let server = await start();
  const kept = (async () => {
    for (;;) {
      await server.exited;
      if (isOver) return;
      whileDown(dataFolder);
      server = await start();
      if (isOver) server.kill("SIGKILL");
    }
  })();
  const deployment: Deployment = {
    url: `http://127.0.0.1:${port}`,
    dataFolder,
    folder: folder.path,
    pidFile,
    async [Symbol.asyncDispose]() {
      isOver = true;
      server.kill("SIGKILL");
      await kept;
      await resources.disposeAsync();
    },
  };
  return deployment;
}

const rehearsal = ({ url }: { url: string }, ...args: readonly string[]): Promise<Ended> =>
  runSluice({ args: ["rehearse", "--url", url, "-q", "orders", "--json", ...args] });

test(
  "a day with kills loses nothing: exit 0, figures, a report with the planner's curve",
  { timeout: 60_000 },
  async () => {
    await using deployment = await deploy({ config: echoConfig("200/s") });
    const report = join(deployment.folder, "rehearsal.md");
    const day = [
      "--profile",
      "1800/h for 1h, 0 for 15m",
      "--speed",
      "600x",
      "--echo",
      "--seed",
      "7",
      "--report",
      report,
    ];
    const kill = ["--kill", `server=until kill -9 $(cat ${deployment.pidFile}); do sleep 0.05; done`, "--kills", "3"];
    const ended = await rehearsal(deployment, ...day, ...kill);
    const view = viewOf(ended);
    assert.deepEqual([ended.exitCode, view.ok, view.violations], [0, true, []], ended.stdout + ended.stderr);
    const { accepted, done, lost, unfinished, unaccounted, withoutReceipt } = view.figures;
    assert.deepEqual(
      { accepted, done, lost, unfinished, unaccounted, withoutReceipt },
      { accepted: 1_800, done: 1_800, lost: 0, unfinished: 0, unaccounted: 0, withoutReceipt: 0 },
    );
    assert.deepEqual(
      view.kills.map(({ name, failure }) => [name, failure]),
      [1, 2, 3].map(() => ["server", null]),
    );
    // 1,800 in 6 s at 200/s: 600 at the peak, more by what came while it was down
    assert.equal(Math.round(view.peakBacklog.planned ?? 0), 600);
    assert.ok(view.peakBacklog.measured > 300, `${view.peakBacklog.measured} at the peak`);
    assert.ok(view.curve.some(({ planned }) => planned !== null && planned > 300));
    assert.match(await readFile(report, "utf8"), /Nothing is lost[\s\S]*Seed 7[\s\S]*\(rehearsal\.svg\)/);
    assert.match(await readFile(join(deployment.folder, "rehearsal.svg"), "utf8"), /by the planner/);
  },
);

test("a request that the store lost is found: exit 1, with its id", { timeout: 60_000 }, async () => {
  let lostSeq: unknown;
  const loseOne = (data: string): void => {
    using db = new DatabaseSync(join(data, "sluice.db"));
    lostSeq ??= db.prepare("DELETE FROM requests WHERE seq = (SELECT min(seq) FROM requests) RETURNING seq").get();
  };
  await using deployment = await deploy({ config: echoConfig("20/s"), whileDown: loseOne });
  const day = ["--profile", "600/h for 10m", "--speed", "200x", "--requests", "100", "--patience", "5s"];
  const ended = await rehearsal(
    deployment,
    ...day,
    "--kill",
    `server=until kill -9 $(cat ${deployment.pidFile}); do sleep 0.05; done`,
  );
  assert.ok(lostSeq !== undefined);
  const view = viewOf(ended);
  assert.equal(ended.exitCode, 1, ended.stdout + ended.stderr);
  assert.equal(view.ok, false);
  assert.equal(view.figures["lost"], 1);
  assert.match(view.wrong.join(), /lost [0-9a-f-]{36}/);
  assert.match(view.violations.join(), /1 accepted, and not there any more/);
  assert.match(view.violations.join(), /the law does not hold: 1 missing/);
});

const turnsDay = ["--profile", "1200/h for 30m, 0 for 10m", "--speed", "600x", "--seed", "7", "--orders", "5"];

test("order keys keep their turn through kills, and each group's wait is told", { timeout: 60_000 }, async () => {
  await using deployment = await deploy({ config: echoConfig("150/s") });
  const kill = ["--kill", `server=until kill -9 $(cat ${deployment.pidFile}); do sleep 0.05; done`, "--kills", "2"];
  const ended = await rehearsal(deployment, ...turnsDay, "--groups", "big=80,small=10", ...kill);
  const view = viewOf(ended);
  assert.deepEqual([ended.exitCode, view.violations, view.figures["outOfTurn"]], [0, [], 0], ended.stdout);
  const counts = new Map(view.groups.map(({ group, requests }) => [group, requests]));
  assert.deepEqual([...counts.keys()], ["", "big", "small"]);
  assert.ok(Math.abs((counts.get("big") ?? 0) - 480) < 12, JSON.stringify(view.groups));
  for (const { p99WaitSeconds } of view.groups) assert.ok(p99WaitSeconds > 0 && p99WaitSeconds < 60);
});

test("an order key whose request began out of its turn is found: exit 1, with an id", { timeout: 60_000 }, async () => {
  let moved: unknown;
  const moveOne = (data: string): void => {
    using db = new DatabaseSync(join(data, "sluice.db"));
    moved ??= db
      .prepare("UPDATE outcomes SET started_at = 1 WHERE seq = (SELECT max(seq) FROM outcomes) RETURNING seq")
      .get();
  };
  await using deployment = await deploy({ config: echoConfig("1000/s"), whileDown: moveOne });
  const kill = ["--kill", `server=until kill -9 $(cat ${deployment.pidFile}); do sleep 0.05; done`];
  const ended = await rehearsal(deployment, ...turnsDay, ...kill);
  assert.ok(moved !== undefined);
  assert.equal(ended.exitCode, 1, ended.stdout + ended.stderr);
  assert.match(viewOf(ended).violations.join(), /^[1-9]\d* begun out of the turn of their order key$/);
  assert.match(viewOf(ended).wrong.join(), /out of turn [0-9a-f-]{36}/);
});

test("a target that answers with another request's result is found out by --echo", { timeout: 60_000 }, async () => {
  let before: Buffer = Buffer.from("nothing");
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request);
    response.setHeader("content-type", "application/json").end(before);
    before = body;
  };
  const target = createServer((request, response) => void answer(request, response));
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
  const { port } = target.address() as AddressInfo;
  const queues = `{ orders: { target: "http://127.0.0.1:${port}/" } }`;
  try {
    await using deployment = await deploy({
      config: `import { defineConfig } from ${entry};\nexport default defineConfig({ queues: ${queues} });\n`,
    });
    const day = ["--profile", "600/h for 10m", "--speed", "600x"];
    const echoed = await rehearsal(deployment, ...day, "--echo");
    assert.equal(echoed.exitCode, 1, echoed.stdout + echoed.stderr);
    assert.match(viewOf(echoed).violations.join(), /^100 not what was sent$/);
    assert.equal((await rehearsal(deployment, ...day)).exitCode, 0); // its results are its own matter
  } finally {
    target.closeAllConnections();
    target.close();
  }
});

test("Ctrl-C stops sending and reports what came of it so far: exit 75", { timeout: 60_000 }, async () => {
  await using deployment = await deploy({ config: echoConfig("1000/s") });
  const args = ["rehearse", "--url", deployment.url, "-q", "orders", "--json", "--profile", "3600/h for 10h"];
  const ended = await runSluice({
    args: [...args, "--speed", "60x"],
    async during(child) {
      const acceptedSome = async (): Promise<boolean> => {
        const response = await fetch(`${deployment.url}/v1/queues/orders`);
        return ((await response.json()) as { accepted: number }).accepted >= 60;
      };
      while (!(await acceptedSome())); // each look is a round trip
      child.kill("SIGINT");
    },
  });
  const view = viewOf(ended);
  assert.equal(ended.exitCode, 75, ended.stdout + ended.stderr);
  assert.deepEqual([view.ok, view.interrupted, view.violations], [false, true, []]);
  assert.ok((view.figures["accepted"] ?? 0) >= 60 && (view.figures["accepted"] ?? 0) < 36_000);
});

test("a queue with a backlog is refused unless others are expected there", { timeout: 60_000 }, async () => {
  await using deployment = await deploy({ config: echoConfig("1/m") });
  const { url } = deployment;
  await runSluice({ args: ["send", "-q", "orders", "--raw-lines", "-"], url, input: "1\n2\n3\n" });
  const day = ["--profile", "1/s for 1s", "--speed", "1x", "--patience", "1s"];
  const refused = await rehearsal(deployment, ...day);
  assert.equal(refused.exitCode, 78);
  assert.match(refused.stderr, /without a backlog, or --beside-others, got [23] waiting in orders/);
  const beside = await rehearsal(deployment, ...day, "--beside-others");
  assert.equal(beside.exitCode, 1);
  assert.match(viewOf(beside).violations.join(), /^1 accepted, and without an outcome$/);
});

test("a kill that cannot be done fails the rehearsal", { timeout: 60_000 }, async () => {
  await using deployment = await deploy({ config: echoConfig("1000/s") });
  const day = ["--profile", "600/h for 1m", "--speed", "60x", "--kill", "server=echo nobody there >&2; exit 3"];
  const ended = await rehearsal(deployment, ...day);
  assert.equal(ended.exitCode, 1);
  assert.match(viewOf(ended).violations.join(), /1 of 1 kills could not be done: .* ended with 3: nobody there/);
});

const bad: ReadonlyArray<readonly [args: readonly string[], exitCode: number, message: RegExp]> = [
  [["--speed", "fast"], 64, /must be a factor from 0.001x to 100000x, got "fast"/],
  [["--speed", "0x"], 64, /must be a factor/],
  [["--requests", "0"], 64, /must be an integer from 1 to 5000000, got "0"/],
  [["--requests", "6000000"], 64, /from 1 to 5000000/],
  [["--profile", "lots for ever"], 64, /rate/],
  [["--profile", "no-such-file.csv"], 1, /cannot read no-such-file.csv/],
  [["--payload", "no-such-file.json"], 1, /cannot read no-such-file.json/],
  [["--kill", "gateway"], 64, /needs --pids FILE, or a command/],
  [["--kill", "a=true", "--kill", "a=false"], 64, /each victim once, got a twice/],
  [["--orders", "0"], 64, /must be an integer from 1 to 1000000, got "0"/],
  [["--groups", "a=90,b=20"], 64, /the shares of --groups must be at most 100 in all, got 110/],
  [["--kills", "3"], 64, /--kills needs --kill/],
  [["--seed", "-1"], 64, /must be an integer from 0/],
  [["--service", "quick"], 64, /rate/],
  [["--report", "report.txt"], 64, /must end in \.md/],
  [["--url", "ftp://example"], 64, /Expected a URL/],
];

for (const [args, exitCode, message] of bad) {
  test(`refused: ${args.join(" ")}`, async () => {
    const defaults = ["rehearse", "-q", "orders", "--profile", "1/s for 1s"];
    const ended = await runSluice({ args: [...defaults, ...args] });
    assert.equal(ended.exitCode, exitCode, ended.stderr);
    assert.match(ended.stderr, message);
  });
}

test("nobody there: exit 69", async () => {
  const ended = await rehearsal(
    { url: `http://127.0.0.1:${await freePort()}` },
    "--profile",
    "1/s for 1s",
    "--patience",
    "1s",
  );
  assert.equal(ended.exitCode, 69);
});
