import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { freePort } from "@sluice/testing";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";
import { runSluice } from "../../test/run-sluice.ts";

const oneCase = ["plan", "--arrivals", "200000/h for 10h", "--service", "100000/h"];

async function tempFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), "sluice-plan-"));
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

test("the case: a million at the peak, ten hours of wait, twenty to finish with one B, nothing waiting with two", async () => {
  const { exitCode, stdout } = await runSluice({ args: oneCase });
  assert.equal(exitCode, 0);
  assert.match(stdout, /^ +1 +1,000,000 +10h 00m +10h 00m +9h 54m +20h 00m +100%/m);
  assert.match(stdout, /^ +2 +0 +- +0ms +0ms +10h 00m +100%/m);
  assert.match(stdout, /The smallest number that keeps a longest wait of 5m 00s: 2 replicas\./);
  assert.doesNotMatch(stdout, /at random/);
});

test("where a request takes minutes, what random arrivals wait for each other is told besides (M/D/1 at 80%)", async () => {
  const { stdout } = await runSluice({ args: ["plan", "--arrivals", "20/h for 8h", "--service", "25/h"] });
  assert.match(
    stdout,
    /^If requests come at random, they wait 4m 48s for each other besides at the peak, on average\.$/m,
  );
  const { stdout: quick } = await runSluice({
    args: ["plan", "--arrivals", "80000/h for 8h", "--service", "100000/h"],
  });
  assert.doesNotMatch(quick, /at random/);
});

test("--json prints the plan shape of the API and nothing else", async () => {
  const { stdout } = await runSluice({
    args: [...oneCase, "--replicas", "1", "--json", "--start", "2026-01-01T00:00Z"],
  });
  assert.deepEqual(JSON.parse(stdout), {
    arrivals: { total: 2_000_000, peakPerHour: 200_000 },
    smallest: null,
    runs: [
      {
        replicas: 1,
        peakBacklog: 1_000_000,
        peakAt: "2026-01-01T10:00:00.000Z",
        worstWaitSeconds: 36_000,
        p99WaitSeconds: 35_640,
        finishedAfterSeconds: 72_000,
        utilisation: 1,
        diskBytes: 4_096_000_000,
        replicaHours: 20,
      },
    ],
  });
});

test("--svg draws arrivals, service, backlog and wait of the run that --draw names", async () => {
  await using folder = await tempFolder();
  const file = path.join(folder.path, "day.svg");
  const { exitCode } = await runSluice({ args: [...oneCase, "--svg", file, "--draw", "1"] });
  assert.equal(exitCode, 0);
  const svg = await readFile(file, "utf8");
  for (const line of ["arrivals", "service", "backlog", "wait"]) assert.ok(svg.includes(`class="${line}"`), line);
  assert.ok(svg.includes("1,000,000 waiting at the peak"));
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
});

test("a CSV and an access log are read from files, and a missing file fails", async () => {
  await using folder = await tempFolder();
  const csv = path.join(folder.path, "day.csv");
  const log = path.join(folder.path, "access.log");
  await writeFile(csv, "time,count\n0,7200\n3600,0\n");
  await writeFile(log, '1.2.3.4 - - [01/Jan/2026:00:00:10 +0000] "GET / HTTP/1.1" 200 5\n');
  const total = async (...source: string[]): Promise<number> => {
    const { stdout } = await runSluice({ args: ["plan", ...source, "--service", "1/s", "--json"] });
    return (JSON.parse(stdout) as { arrivals: { total: number } }).arrivals.total;
  };
  assert.deepEqual([await total("--csv", csv), await total("--access-log", log)], [7_200, 1]);
  const missing = await runSluice({ args: ["plan", "--csv", `${csv}.not`, "--service", "1/s"] });
  assert.equal(missing.exitCode, 1);
  assert.match(missing.stderr, /cannot read .*day\.csv\.not/);
});

test("--group tells what each one waits in the run that is drawn, by what the queue of the file says", async () => {
  await using folder = await tempFolder();
  const config = path.join(folder.path, "sluice.config.ts");
  const orders = { rate: "9000/h", concurrency: 4, groups: { weight: { small: 9 } }, priorities: { riseEvery: "1d" } };
  await writeFile(config, `export default { queues: { orders: ${JSON.stringify(orders)} } };\n`);
  const args = ["plan", "--arrivals", "20000/h for 1h", "--service", "10000/h", "--group", "big=50"];
  const groups = ["--group", "small=40", "--queue", "orders", "--config", config, "--replicas", "1"];
  const { stdout, exitCode } = await runSluice({ args: [...args, ...groups] });
  assert.equal(exitCode, 0);
  assert.match(stdout, /^In that run, 4 at once on each replica, they wait by group:$/m);
  assert.match(stdout, /^big +10,000 .* 1h 1\dm$/m); // the last of 20,000 at 9,000 an hour
  assert.match(stdout, /^small +8,000 .* \dm \d\ds$/m); // a little more than nine of eleven starts
  assert.match(stdout, /^\(no group\) +2,000 .*\n\(all\) +20,000 /m);
  const { stdout: json } = await runSluice({ args: [...args, ...groups, "--rate", "5000/h", "--json"] });
  const view = JSON.parse(json) as PlanView;
  assert.deepEqual([view.groups.replicas, view.groups.each.map(({ group }) => group)], [1, ["big", "small", ""]]);
  assert.equal(Math.round(view.groups.all.longestWaitSeconds / 60), 180, "20,000 at the 5,000/h of the flag");
});

interface PlanView {
  readonly groups: {
    readonly replicas: number;
    readonly each: readonly { readonly group: string }[];
    readonly all: { readonly longestWaitSeconds: number };
  };
}

const logLine = (second: number) =>
  `1.2.3.4 - - [01/Jan/2026:00:00:${String(second).padStart(2, "0")} +0000] "GET / HTTP/1.1" 200 5 "-" "${"x".repeat(900)}"\n`;

test("a gzipped log larger than memory is read as it comes; what is skipped is told, and the plan is made", async () => {
  await using folder = await tempFolder();
  const log = path.join(folder.path, "access.log.1");
  const minute = Array.from({ length: 60 }, (_, second) => logLine(second)).join("");
  const member = gzipSync(`${minute.repeat(20)}2.3.4.5 - - [01/Jan/20\n`); // 1.2 MB
  await writeFile(log, Buffer.concat(Array.from({ length: 100 }, () => member)));
  const args = ["plan", "--access-log", log, "--service", "10000/s", "--json"];
  const { exitCode, stdout, stderr } = await runSluice({ args, env: { NODE_OPTIONS: "--max-old-space-size=64" } });
  assert.equal(exitCode, 0, stderr);
  assert.deepEqual((JSON.parse(stdout) as { arrivals: object }).arrivals, {
    total: 120_000,
    peakPerHour: 7_200_000,
    skippedLines: 100,
  });
  assert.match(
    stderr,
    /^skipped 100 of 120,100 lines of .*access\.log\.1; the first: line 1201 is not of the common or /,
  );
});

test("a gzipped log that was cut off is read up to there; one that holds nothing readable is refused", async () => {
  await using folder = await tempFolder();
  const log = path.join(folder.path, "access.log.gz");
  const lines = Array.from({ length: 20_000 }, (_, at) => `${at} - - ${logLine(at % 60).slice(12)}`).join("");
  const whole = gzipSync(lines, { level: 1 });
  await writeFile(log, whole.subarray(0, whole.length / 2));
  const plan = () => runSluice({ args: ["plan", "--access-log", log, "--service", "10000/s", "--json"] });
  const cut = await plan();
  assert.equal(cut.exitCode, 0, cut.stderr);
  assert.match(
    cut.stderr,
    /^skipped 1 of \S+ lines of .*; the first: what comes after line \d+ cannot be unzipped: unexpected end/,
  );
  await writeFile(log, "hello\n");
  const none = await plan();
  assert.deepEqual([none.exitCode, none.stdout], [64, ""]);
  assert.match(none.stderr, /line 1 is not of the common or combined log format: \\"hello/);
});

/** 20,000 requests, one a second. */
const logOf20000 = Array.from(
  { length: 20_000 },
  (_, at) =>
    `1.2.3.4 - - [${new Date(Date.UTC(2026, 0, 1, 0, 0, at)).toISOString().replace(/^(.*)-01-01T(.*)\..*/, "01/Jan/$1:$2")} +0000] "GET /${at} HTTP/1.1" 200 5\n`,
).join("");

const forms: ReadonlyArray<readonly [name: string, bytes: () => Buffer, skipped: number]> = [
  ["UTF-16, little end first", () => Buffer.from(`\ufeff${logOf20000}`, "utf16le"), 0],
  ["UTF-16, big end first", () => Buffer.from(`\ufeff${logOf20000}`, "utf16le").swap16(), 0],
  ["CR at its line ends", () => Buffer.from(logOf20000.replaceAll("\n", "\r")), 0],
  ["CR LF at its line ends", () => Buffer.from(logOf20000.replaceAll("\n", "\r\n")), 0],
  ["a line of 70 MB", () => Buffer.concat([Buffer.alloc(70_000_000), Buffer.from(`\n${logOf20000}`)]), 1],
];

for (const [name, bytes, skippedLines] of forms) {
  test(`an access log with ${name} is read`, async () => {
    await using folder = await tempFolder();
    const log = path.join(folder.path, "access.log");
    await writeFile(log, bytes());
    const args = ["plan", "--access-log", log, "--service", "10000/s", "--json"];
    const { stdout, stderr } = await runSluice({ args, env: { NODE_OPTIONS: "--max-old-space-size=64" } });
    const { total, skippedLines: skipped } = (
      JSON.parse(stdout) as { arrivals: { total: number; skippedLines: number } }
    ).arrivals;
    assert.deepEqual([total, skipped], [20_000, skippedLines], stderr);
    const told = / of ([\d,]+) lines of/.exec(stderr)?.[1];
    assert.equal(told, skippedLines === 0 ? undefined : "20,001");
  });
}

test("a gzipped log with something else behind it is read nearly to its end", async () => {
  await using folder = await tempFolder();
  const log = path.join(folder.path, "access.log.gz");
  const count = 300;
  await writeFile(log, Buffer.concat([gzipSync(logOf20000.slice(0, count * 68)), Buffer.from("junk!")]));
  const { stdout, stderr } = await runSluice({
    args: ["plan", "--access-log", log, "--service", "10000/s", "--json"],
  });
  const { total } = (JSON.parse(stdout) as { arrivals: { total: number } }).arrivals;
  assert.ok(total > 200 && total <= count, `${total} read\n${stderr}`);
  assert.match(stderr, new RegExp(`what comes after line ${total} cannot be unzipped`));
});

test("the history of a running Sluice is read over several pages, of the named queue alone", async () => {
  await using sut = await GatewayUnderTest.open();
  const request = (queue: string) => ({
    queue,
    key: undefined,
    contentType: "text/plain",
    headers: undefined,
    body: Buffer.from("x"),
  });
  await sut.engine.accept([...Array.from({ length: 1_500 }, () => request("orders")), request("mails")]);
  const args = ["plan", "--history", "orders", "--service", "100/s", "--json"];
  const { exitCode, stdout } = await runSluice({ args, url: sut.url });
  assert.equal(exitCode, 0);
  assert.equal((JSON.parse(stdout) as { arrivals: { total: number } }).arrivals.total, 1_500);
});

test("an unreachable Sluice ends with 69", async () => {
  const args = ["plan", "--history", "orders", "--service", "1/s"];
  assert.equal((await runSluice({ args, url: `http://127.0.0.1:${await freePort()}` })).exitCode, 69);
});

const refusals: ReadonlyArray<readonly [args: readonly string[], message: RegExp]> = [
  [["--service", "1/s"], /give one of --arrivals, --csv, --access-log and --history, got 0 of them/],
  [["--arrivals", "many", "--service", "1/s"], /each phase must read like "200000\/h for 10h", got "many"/],
  [["--arrivals", "1/s for 1h"], /required option '--service <rate>' not specified/],
  [["--arrivals", "1/s for 1h", "--service", "fast"], /must be a rate from 1\/d to 1000000\/s, got "fast"/],
  [["--arrivals", "1/s for 1h", "--service", "1/s", "--replicas", "0"], /an integer from 1 to 1000, got "0"/],
  [["--arrivals", "1/s for 1h", "--service", "1/s", "--min", "9"], /--min must be at most --replicas, got 9 and 4/],
  [[...oneCase.slice(1), "--group", "a=1,urgency=8"], /Its urgency must be an integer from 0 to 7, got "8"/],
  [[...oneCase.slice(1), "--group", "a=90", "--group", "b=20"], /must be at most 100 in all, got 110/],
  [[...oneCase.slice(1), "--rise-every", "1h"], /need --group: who sends how much\?/],
  [["--arrivals", "1/s for 1h", "--service", "1/s", "--max-wait", "0"], /a duration from 1ms to 30d, got "0s"/],
];

for (const [args, message] of refusals) {
  test(`refused with 64, the rule and the value: sluice plan ${args.join(" ")}`, async () => {
    const { exitCode, stdout, stderr } = await runSluice({ args: ["plan", ...args] });
    assert.deepEqual([exitCode, stdout], [64, ""]);
    assert.match(stderr, message);
  });
}
