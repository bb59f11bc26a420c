import { test } from "node:test";
import { equal, match, notEqual, ok } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";

const command = path.join(import.meta.dirname, "run.ts");

const kinds =
  "kill freeze ledger-crash broker-wipe lost-after confirm-lost double slow " +
  "standby-away waits-cancelled waits-terminated failover";

/** In a process of its own, as it puts a clock of its own under everything. */
function run(...flags: readonly string[]): { readonly code: number | null; readonly output: string } {
  const { status, stdout } = spawnSync(process.execPath, [command, ...flags], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    timeout: 120_000,
    stdio: ["ignore", "pipe", "inherit"],
  });
  return { code: status, output: stdout };
}

test("a hundred histories break no law, and faults of every sort were in them", () => {
  const { code, output } = run("--seed", "1", "--histories", "100");
  equal(code, 0, output);
  match(output, /^violations 0$/m);
  for (const kind of kinds.split(" ")) match(output, new RegExp(`\\b${kind} [1-9]`));
  ok(Number(/^accepted (\d+)$/m.exec(output)?.[1]) > 500, output);
});

test("one seed makes one history, to the letter, and another seed another one", () => {
  const [first, again, other] = ["5", "5", "6"].map((seed) => run("--seed", seed).output);
  equal(first, again);
  notEqual(first, other);
  ok((first ?? "").split("\n").length > 100);
});
