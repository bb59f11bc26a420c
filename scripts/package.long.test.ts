// The packages as users get them: packed, installed from the registry into an empty folder, and run there.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { startChild, temporaryFolder } from "@sluice/testing";
import { buildPackages, packageNames } from "./build-packages.ts";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "..");
const tool = (name: string): string => path.join(root, "node_modules/.bin", name);

const config = `
import { defineConfig } from "sluice";
import { double } from "./double.ts";

export default defineConfig({ queues: { numbers: { handle: async (request) => double(request.json() as number) } } });
`;
const handler = "export const double = (number: number): { double: number } => ({ double: 2 * number });\n";
const consumer = `
import { createClient, type WireRequest } from "@sluice/client";

const client = createClient({ url: process.argv[2] as string });
const { id } = await client.submit("numbers", 21);
const request: WireRequest = await client.wait(id);
console.log(request.state, JSON.stringify((await client.result(id)).json()));
`;

test("packed and installed into an empty folder, both packages run and have their types", async () => {
  await using folder = await temporaryFolder();
  const built = path.join(folder.path, "built");
  buildPackages(built);
  const tarballs: string[] = [];
  for (const name of packageNames) {
    const packed = path.join(built, name);
    await run(tool("publint"), ["run", "--strict", "--pack", "npm"], { cwd: packed });
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder.path], { cwd: packed });
    const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: readonly { path: string }[] }];
    assert.deepEqual(
      files.map((file) => file.path).filter((file) => /\.test\.|(?<!\.d)\.ts$/.test(file)),
      [],
    );
    tarballs.push(path.join(folder.path, filename));
    await run(tool("attw"), [path.join(folder.path, filename), "--profile", "esm-only", "--no-color"]);
  }

  const home = path.join(folder.path, "home");
  await mkdir(home);
  await writeFile(path.join(home, "package.json"), JSON.stringify({ private: true, type: "module" }));
  await run("npm", ["install", "--no-audit", "--no-fund", ...tarballs, "@types/node@24"], { cwd: home });
  await writeFile(path.join(home, "sluice.config.ts"), config);
  await writeFile(path.join(home, "double.ts"), handler);
  await writeFile(path.join(home, "consumer.ts"), consumer);
  for (const [module, moduleResolution] of [
    ["nodenext", "nodenext"],
    ["preserve", "bundler"],
  ] as const) {
    const flags = ["--noEmit", "--strict", "--allowImportingTsExtensions", "--target", "es2024"];
    const resolution = ["--module", module, "--moduleResolution", moduleResolution];
    await run(tool("tsc"), [...flags, ...resolution, "--types", "node", "sluice.config.ts", "consumer.ts"], {
      cwd: home,
    });
  }

  const sluice = path.join(home, "node_modules/.bin/sluice");
  assert.match((await run(sluice, ["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
  await using server = await startChild({ command: sluice, args: ["up", "--port", "0"], cwd: home });
  const [, url = ""] = await server.line(/^Sluice listens on (http:\S+)/);
  const { stdout } = await run(process.execPath, ["consumer.ts", url], { cwd: home });
  assert.equal(stdout, 'done {"double":42}\n');
  const page = await (await fetch(url, { headers: { accept: "text/html" } })).text();
  const [script = "no script"] = /\/assets\/[\w-]+\.js/.exec(page) ?? [];
  assert.equal((await fetch(url + script)).status, 200, page);
  server.kill("SIGTERM");
  assert.deepEqual(await server.exited, { code: 0, signal: null });
});
