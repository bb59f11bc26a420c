// The model against a program that syncs, and one that does not.
import { deepEqual, equal } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import { seededRandom } from "../../packages/sluice/src/core/seeded-random.ts";
import { PowerSupply, type Loss, type Survival } from "./power-supply.ts";
import type { NamesDurableBy } from "./unsynced.ts";

/** Statements with `fs` and `data`, the folder, and what a test often needs. */
const prelude = `
  const fs = require("node:fs");
  const [data] = process.argv.slice(1);
  const at = (name) => data + "/" + name;
  const sync = (path) => { const fd = fs.openSync(path, "r"); fs.fsyncSync(fd); fs.closeSync(fd); };
  const append = (name, text) => fs.appendFileSync(at(name), text);
`;

interface Trial {
  readonly namesDurableBy?: NamesDurableBy;
  readonly survival?: Survival;
  readonly before?: Readonly<Record<string, string>>;
  readonly isCutBefore?: boolean;
  readonly cutAt?: readonly [name: string, nth: number];
}

interface Left {
  readonly loss: Loss;
  readonly signal: string | null;
  readonly read: (name: string) => string | undefined;
}

/** Runs a program with power, takes it away, and tells what is left. */
async function lose(
  program: string,
  { namesDurableBy = "folder-sync", survival = { kind: "dropped" }, before = {}, isCutBefore, cutAt }: Trial = {},
): Promise<Left> {
  await using folder = await temporaryFolder();
  const data = join(folder.path, "data");
  mkdirSync(data);
  for (const [name, text] of Object.entries(before)) writeFileSync(join(data, name), text);
  const journalFolder = join(folder.path, "journal");
  await using power = await PowerSupply.open({ folder: data, journalFolder, namesDurableBy });
  if (isCutBefore === true) power.cut();
  const env = { ...process.env, ...(cutAt === undefined ? power.env : power.envUntilSync(...cutAt)) };
  const { signal, stderr } = spawnSync(process.execPath, ["-e", prelude + program, data], { env, encoding: "utf8" });
  equal(stderr, "");
  const loss = power.restore(survival);
  const left = new Map(
    Object.keys({ ...before, new: "", other: "" })
      .filter((name) => existsSync(join(data, name)))
      .map((name) => [name, readFileSync(join(data, name), "utf8")]),
  );
  return { loss, signal, read: (name) => left.get(name) };
}

describe("a loss of power", () => {
  test("takes what was not synced, and leaves what was", async () => {
    const { loss, read } = await lose('append("file", "synced "); sync(at("file")); append("file", "unsynced");', {
      before: { file: "old " },
    });
    equal(read("file"), "old synced ");
    deepEqual([loss.syncs, loss.pagesLost, loss.files.length], [1, 1, 1]);
  });

  test("puts back what was overwritten and cut", async () => {
    const program = `
      const fd = fs.openSync(at("file"), "r+");
      fs.writeSync(fd, "XXX", 2); fs.ftruncateSync(fd, 4); fs.writeSync(fd, "Y", 20000);
      fs.writeFileSync(at("other"), "short");`;
    const before = { file: "0123456789", other: "long ".repeat(2_000) };
    const { read } = await lose(program, { before });
    deepEqual([read("file"), read("other")], [before.file, before.other]);
  });

  test("leaves a file that could not be opened since it is there", async () => {
    const program = 'try { fs.openSync(at("file"), "wx"); } catch {}';
    const before = { file: "text".repeat(64 * 1_024) };
    const random = seededRandom(1, "torn");
    const { read } = await lose(program, { before, survival: { kind: "torn", random } });
    equal(read("file"), before.file);
  });

  test("takes a new file whose folder was not synced, though it was itself", async () => {
    const program = 'append("new", "text"); sync(at("new"));';
    equal((await lose(program)).read("new"), undefined);
    equal((await lose(program, { namesDurableBy: "file-sync" })).read("new"), "text");
    equal((await lose(`${program} sync(data);`)).read("new"), "text");
  });

  test("empties a new file that was not synced, though its folder was", async () => {
    equal((await lose('append("new", "text"); sync(data);')).read("new"), "");
  });

  test("brings back what was deleted or renamed while no sync of the folder came", async () => {
    const before = { file: "a", other: "b" };
    const deleted = await lose('fs.unlinkSync(at("file"));', { before });
    equal(deleted.read("file"), "a");
    const renamed = await lose('fs.renameSync(at("file"), at("other"));', { before });
    deepEqual([renamed.read("file"), renamed.read("other")], ["a", "b"]);
    const synced = await lose('fs.renameSync(at("file"), at("other")); sync(data);', { before });
    deepEqual([synced.read("file"), synced.read("other")], [undefined, "a"]);
  });

  test("leaves some pages and takes others when writes are torn", async () => {
    const pages = 64;
    const program = `
      const fd = fs.openSync(at("file"), "r+");
      for (let page = 0; page < ${pages}; page += 1) fs.writeSync(fd, "new.".repeat(1024), page * 4096);`;
    const before = { file: "old.".repeat(1_024 * pages) };
    const random = seededRandom(1, "torn");
    const { loss, read } = await lose(program, { before, survival: { kind: "torn", random } });
    const found = new Set(
      Array.from({ length: pages }, (_, page) => read("file")?.slice(page * 4_096, (page + 1) * 4_096)),
    );
    deepEqual(found, new Set(["new.".repeat(1_024), "old.".repeat(1_024)]));
    equal(loss.pagesUnsynced, pages);
  });

  test("has a file cut as a whole or not at all, and what came after the cut only with it", async () => {
    const pages = 16;
    const program = `
      const fd = fs.openSync(at("file"), "r+");
      fs.ftruncateSync(fd, 4096);
      for (let page = 1; page < ${pages / 2}; page += 1) fs.writeSync(fd, "new.".repeat(1024), page * 4096);`;
    const before = { file: "old.".repeat(1_024 * pages) };
    const kinds = new Set<string>();
    for (let seed = 0; seed < 6; seed += 1) {
      const { read } = await lose(program, { before, survival: { kind: "torn", random: seededRandom(seed, "cut") } });
      const text = read("file") ?? "";
      const cut = /^(old\.){1024}((new\.){1024}|\0{4096})*$/.test(text);
      kinds.add(text === before.file ? "old" : cut ? "cut" : "a mixture");
    }
    deepEqual(kinds, new Set(["cut", "old"]));
  });

  test("kills who still writes", async () => {
    const { signal, read } = await lose('append("file", "more");', { before: { file: "text" }, isCutBefore: true });
    deepEqual([signal, read("file")], ["SIGKILL", "text"]);
  });

  test("in the middle of a sync takes what that sync was for", async () => {
    const program = 'for (const text of ["1", "2", "3"]) { append("file", text); sync(at("file")); }';
    const { signal, read } = await lose(program, { before: { file: "0" }, cutAt: ["file", 2] });
    deepEqual([signal, read("file")], ["SIGKILL", "01"]);
  });
});
