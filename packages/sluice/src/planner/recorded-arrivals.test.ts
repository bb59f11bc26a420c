import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../core/seeded-random.ts";
import type { Arrivals } from "./arrivals.ts";
import { plan } from "./plan.ts";
import { countTimes, Recording, type RecordingKind } from "./recorded-arrivals.ts";

const secondMs = 1_000;
const minuteMs = 60_000;
const startAt = Date.UTC(2026, 0, 1);

function recordingOf(kind: RecordingKind, lines: readonly string[]): Recording {
  const recording = new Recording(kind);
  for (const line of lines) recording.add(line);
  return recording;
}

function arrivalsOf(kind: RecordingKind, lines: readonly string[]): Arrivals {
  const recording = recordingOf(kind, lines);
  assert.equal(recording.firstSkipped, undefined);
  return recording.arrivals();
}

function logLine(time: string): string {
  return `127.0.0.1 - frank [${time}] "POST /x HTTP/1.1" 202 10 "-" "curl/8"`;
}

/** `[01/Jan/2026:00:00:10 +0000]`, with a fraction where `digits` asks for it. */
function logTimeOf(at: number, digits: 0 | 3): string {
  const [date = "", time = ""] = new Date(at).toISOString().split(/[TZ]/);
  const fraction = digits === 0 ? "" : time.slice(8);
  return `${date.slice(8)}/Jan/${date.slice(0, 4)}:${time.slice(0, 8)}${fraction} +0000`;
}

/** One server that takes each in turn, when it has come and the one before it is finished. */
function exactFifo(
  times: readonly number[],
  serviceMs: number,
): { worstWaitMs: number; p99WaitMs: number; peakBacklog: number } {
  let freeAt = 0;
  const waitsMs: number[] = [];
  let peakBacklog = 0;
  const finishes: number[] = [];
  let finished = 0;
  for (const [index, at] of times.entries()) {
    freeAt = Math.max(at, freeAt) + serviceMs;
    finishes.push(freeAt);
    waitsMs.push(freeAt - serviceMs - at);
    while ((finishes[finished] as number) <= at) finished += 1;
    peakBacklog = Math.max(peakBacklog, index + 1 - finished);
  }
  const [worstWaitMs = 0, p99WaitMs = 0] = [0, Math.floor(times.length / 100)].map(
    (longer) => waitsMs.toSorted((a, b) => b - a)[longer],
  );
  return { worstWaitMs, p99WaitMs, peakBacklog };
}

for (const [told, digits, stepMs] of [
  ["seconds", 0, secondMs],
  ["milliseconds", 3, 1],
] as const) {
  test(`the plan of a log that tells ${told} agrees with an exact FIFO of its requests, to the ${told}`, () => {
    const random = seededRandom(9, "arrivals");
    const calm = Array.from({ length: 3_000 }, () => startAt + Math.floor(random.next() * 600_000));
    const burst = Array.from({ length: 350 }, () => startAt + 301_000 + Math.floor(random.next() * 4_000));
    const times = [...calm, ...burst].toSorted((a, b) => a - b); // 5 a second for ten minutes, and 88 a second for four
    const lines = times.map((at) => logLine(logTimeOf(at, digits)));
    const serviceMs = 100;
    const exact = exactFifo(times, serviceMs);
    const [run] = plan({
      arrivals: arrivalsOf("access-log", lines),
      service: { perReplicaPerHour: 36_000, ratePerHour: undefined },
      maxWaitMs: minuteMs,
      diskBytesPerRequest: 0,
      replicas: { kind: "table", most: 1 },
    }).runs;
    assert.ok(exact.worstWaitMs > 30_000 && exact.peakBacklog > 300, "a burst that hurts");
    for (const kind of ["worstWaitMs", "p99WaitMs"] as const) {
      const off = Math.abs((run?.[kind] ?? 0) - exact[kind]);
      assert.ok(off <= stepMs + 2 * serviceMs, `${kind}: ${run?.[kind]} planned, ${exact[kind]} in fact`);
    }
    const backlogOff = Math.abs((run?.peakBacklog ?? 0) - exact.peakBacklog);
    assert.ok(backlogOff <= stepMs / serviceMs + 2, `${run?.peakBacklog} planned, ${exact.peakBacklog} in fact`);
  });
}

test("a log is counted by the second in its own time zone, with nothing between", () => {
  const arrivals = arrivalsOf("access-log", [
    '127.0.0.1 - - [01/Jan/2026:01:00:00 +0100] "POST /x HTTP/1.1" 202 10',
    logLine("01/Jan/2026:01:00:02 +0100"),
    logLine("31/Dec/2025:19:00:02 -0500"),
  ]);
  assert.equal(arrivals.startAt, startAt);
  assert.deepEqual(arrivals.spans, [
    { fromMs: 0, untilMs: 1_000, count: 1 },
    { fromMs: 1_000, untilMs: 2_000, count: 0 },
    { fromMs: 2_000, untilMs: 3_000, count: 2 },
  ]);
  assert.equal(arrivals.peakPerHour, 3 * 60);
});

test("a byte order mark, a leap second and a line out of order are read", () => {
  const { total, spans } = arrivalsOf("access-log", [
    `\uFEFF${logLine("01/Jan/2026:00:00:01 +0000")}`,
    `\uFEFF${logLine("31/Dec/2025:23:59:60 +0000")}`,
  ]);
  assert.deepEqual([total, spans.map(({ count }) => count)], [2, [1, 1]]);
  assert.equal(arrivalsOf("csv", ["\uFEFF2025-12-31T23:59:60Z,5"]).startAt, startAt);
});

const rowRule =
  "must be a time (ISO 8601, seconds from the start, or 10, 13, 16 or 19 digits since 1970) and a count of 0 or more";

test("a time and a count of a CSV are what they say, or are skipped", () => {
  const timesAt = (text: string): number => arrivalsOf("csv", [`${text},5`]).startAt;
  for (const text of [
    "20260101",
    "20260101T000000Z",
    "20260101T010000+0100",
    "2026-01-01t00:00z",
    "2026-01-01 00:00:00+00",
  ])
    assert.equal(timesAt(text), startAt, text);
  assert.equal(timesAt('"2025-12-31T23:00:00,250-01:00"'), startAt + 250);
  assert.equal(timesAt("0"), 0, "seconds from the start");
  assert.equal(timesAt("86400"), 86_400_000);
  assert.equal(timesAt("2026-01-01T00:00:00"), new Date(2026, 0, 1).getTime(), "without a zone it is local");
  for (const row of [
    "Total 2026,200",
    "01/02/2026,5",
    "1 Jan 2026,5",
    "2026-13-01,5",
    "2026-01-01T25:00Z,5",
    "202601010000,5",
    "20260101000000,5",
    "0000000000,5",
    "-1767225600,5",
    "0x6955b900,5",
    "2026-01-01,0x10",
    "2026-01-01,Infinity",
    "2026-01-01,",
    "2026-01-01,1.200,30",
    "2026-01-01;1.200",
    "2026-01-01;1.200.300",
  ]) {
    const { skippedCount, firstSkipped = "" } = recordingOf("csv", ["time,count", row]);
    if (row === "2026-01-01,1.200,30") assert.equal(skippedCount, 0, "the dot of a file with commas is a point");
    else if (row === "2026-01-01;1.200")
      assert.equal(firstSkipped, "line 2: 1.200 may be 1200 or 1.2: write the count without the dot");
    else assert.equal(firstSkipped, `line 2 ${rowRule}, got "${row}"`);
  }
  assert.equal(recordingOf("csv", ["01/02/2026,5"]).skippedCount, 1, "a count is no heading");
});

test("what cannot be read is skipped and counted, and the first reason is kept", () => {
  const lines = [
    logLine("01/Jan/2026:00:00:01 +0000"),
    "",
    "127.0.0.1 - - [01/Jan/20",
    "more",
    logLine("41/Jan/2026:00:00:01 +0000"),
  ];
  const log = recordingOf("access-log", lines);
  assert.equal(log.arrivals().total, 1);
  assert.deepEqual([log.skippedCount, log.lineCount], [3, 5]);
  assert.equal(log.firstSkipped, 'line 3 is not of the common or combined log format: "127.0.0.1 - - [01/Jan/20"');
  const csv = recordingOf("csv", ["time,count", "2026-01-01,1", "2026-01-02,-1", "2026-01-03,many", "2026-01-04"]);
  assert.equal(csv.arrivals().total, 1);
  assert.deepEqual([csv.skippedCount, csv.firstSkipped], [3, `line 3 ${rowRule}, got "2026-01-02,-1"`]);
});

test("a recording in which nothing can be read is refused, with the first reason", () => {
  const refused = (kind: RecordingKind, lines: readonly string[]) => () => recordingOf(kind, lines).arrivals();
  assert.throws(refused("access-log", ["hello", "you"]), {
    message: /^line 1 is not of the common .* format: "hello"$/,
  });
  assert.throws(refused("csv", ["time,count", "x,1"]), { message: /^line 2 must be a time \(ISO 8601, / });
  assert.throws(refused("csv", [""]), { message: /at least one request, got none/ });
  assert.throws(refused("csv", ["2026-01-01,1", "2027-01-01,1", "2027-12-01,1"]), {
    message: /may span 366 days, got/,
  });
});

test("what is a year off is skipped, and counted by the line", () => {
  const bad = "01/Jan/1970:00:00:00 +0000";
  const times = [bad, "01/Jan/2026:00:00:00 +0000", "01/Jan/2026:00:00:01 +0000", bad, "01/Jan/2096:00:00:00 +0000"];
  const log = recordingOf("access-log", times.map(logLine));
  const { total, startAt: from } = log.arrivals();
  assert.deepEqual([total, from], [2, startAt]);
  assert.deepEqual(
    [log.skippedCount, log.firstSkipped],
    [
      3,
      "1970-01-01T00:00:00.000Z is more than 366 days away from the middle of the recording, 2026-01-01T00:00:01.000Z",
    ],
  );
  const csv = recordingOf("csv", ["1970-01-01,500", "2026-01-01,7", "2026-01-02,7"]);
  assert.deepEqual([csv.arrivals().total, csv.skippedCount], [14, 1]);
});

test("a CSV spreads each count until the next row, whatever its quotes, separators and times look like", () => {
  const forms: readonly (readonly string[])[] = [
    ["time,count", "2026-01-01T00:00:00Z,1200", "2026-01-01T00:10:00Z,0", "2026-01-01T00:20:00Z,60", ""],
    ['"time","count"', '"2026-01-01T00:00:00Z","1,200"', '"2026-01-01T00:10:00Z","0"', '"2026-01-01T00:20:00Z","60"'],
    ["2026-01-01T00:20:00Z;60", "2026-01-01T00:00:00Z;1,200", "2026-01-01T00:10:00Z;0"],
    ["1767225600,1200,more", "1767226200,0,", "1767226800.000,60,"],
    ["1767225600000,700", "1767225600000,500", "1767226200000,0", "1767226800000,60"],
    ["1767225600000000,1.2e3", "1767226200000000,0", "1767226800000000,60"],
  ];
  for (const lines of forms) {
    const arrivals = arrivalsOf("csv", lines);
    assert.deepEqual([arrivals.startAt, arrivals.peakPerHour], [startAt, 7_200], lines[0]);
    assert.deepEqual(arrivals.spans, [
      { fromMs: 0, untilMs: 10 * minuteMs, count: 1_200 },
      { fromMs: 10 * minuteMs, untilMs: 20 * minuteMs, count: 0 },
      { fromMs: 20 * minuteMs, untilMs: 30 * minuteMs, count: 60 },
    ]);
  }
});

test("more different times than memory is good for are counted more coarsely, and none is lost", () => {
  const times = Array.from({ length: 1_500_000 }, (_, at) => startAt + at);
  const { total, spans } = countTimes(times);
  assert.deepEqual([total, spans.length], [1_500_000, 150_000]);
});
