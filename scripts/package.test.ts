// What `npm pack` makes, as somebody has it who installed it: packed in a copy of the repository, installed into an empty folder
// with what it needs from the registry.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { startChild, temporaryFolder, type Child, type TemporaryFolder } from "@sluice/testing";
import type { Manifest } from "./published-manifest.ts";

const repository = path.resolve(import.meta.dirname, "..");
const names = ["sluice", "@sluice/client"] as const;

let folder: TemporaryFolder;
/** The folder of the one who installed. */
let project: string;
let tarballs: readonly string[];

before(async () => {
  folder = await temporaryFolder();
  const copy = path.join(folder.path, "repository");
  await copyRepository(copy);
  tarballs = await pack(copy);
  project = path.join(folder.path, "project");
  await mkdir(project);
  await writeFile(
    path.join(project, "package.json"),
    JSON.stringify({ name: "project", private: true, type: "module" }),
  );
  const { devDependencies } = await manifestOf<{ devDependencies: Record<string, string> }>(repository);
  const types = `@types/node@${devDependencies["@types/node"]}`;
  await run("npm", ["install", "--no-audit", "--no-fund", ...tarballs, types]);
});

after(() => folder[Symbol.asyncDispose]());

test("npm pack leaves the manifest of the repository as it was", async () => {
  for (const name of ["sluice", "client"]) {
    const copied = await readFile(path.join(folder.path, "repository/packages", name, "package.json"), "utf8");
    assert.equal(copied, await readFile(path.join(repository, "packages", name, "package.json"), "utf8"));
  }
});

test("a package has its build, its licence and its README, and neither sources nor tests", async () => {
  for (const tarball of tarballs) {
    const files = (await run("tar", ["-tzf", tarball])).trim().split("\n");
    for (const name of ["LICENSE", "README.md", "package.json", "lib/index.js", "lib/index.d.ts"])
      assert.ok(files.includes(`package/${name}`), `${tarball} has no ${name}`);
    assert.deepEqual(
      files.filter((file) => /\.test\.|\/(src|test|contract)\//.test(file) || /(?<!\.d)\.ts$/.test(file)),
      [],
    );
  }
});

test("what one package needs of the other is the version that is there", async () => {
  const { version } = await manifestOf<Manifest>(path.join(repository, "packages/client"));
  const { dependencies } = await manifestOf<Manifest>(path.join(project, "node_modules/sluice"));
  assert.equal(dependencies?.["@sluice/client"], `^${version}`);
});

test("publint finds nothing", async () => {
  for (const tarball of tarballs) assert.match(await run(tool("publint"), ["run", tarball, "--strict"]), /All good!/);
});

test("are-the-types-wrong finds nothing: it ends with an error where it does", async () => {
  for (const tarball of tarballs)
    assert.match(
      await run(tool("attw"), [tarball, "--profile", "esm-only", "--no-emoji"]),
      /node16 \(from ESM\).+OK \(ESM\)/,
    );
});

test("npx sluice tells its version", async () => {
  const { version } = await manifestOf<Manifest>(path.join(repository, "packages/sluice"));
  assert.equal(await run("npx", ["sluice", "--version"]), `${version}\n`);
});

test("sluice up posts to a target, and the installed client reads the result", async () => {
  await using target = await startTarget();
  await using server = await startServer(["--queue", "orders", "--target", target.url, "--data", "data-of-target"]);
  assert.equal(await submit(server.url, { sku: 7 }), 'POST {"sku":7}\n');
  await stopped(server);
});

test("sluice init writes a configuration in TypeScript that sluice up runs", async () => {
  await run("npx", ["sluice", "init"]);
  await using server = await startServer(["--data", "data-of-handler"]);
  assert.equal(await submit(server.url, { sku: 7, quantity: 2 }), '{"sku":7,"total":12}\n');
  await stopped(server);
});

for (const [resolution, module] of [
  ["nodenext", "nodenext"],
  ["bundler", "preserve"],
] as const) {
  test(`a project with the module resolution ${resolution} has all types, and is told of a wrong one`, async () => {
    await writeFile(path.join(project, "consumer.ts"), consumer);
    const config = {
      compilerOptions: {
        strict: true,
        noEmit: true,
        module,
        moduleResolution: resolution,
        target: "es2024",
        lib: ["es2024", "esnext.disposable", "dom"],
        types: ["node"],
        allowImportingTsExtensions: true,
        skipLibCheck: false,
      },
      include: ["consumer.ts", "sluice.config.ts"],
    };
    await writeFile(path.join(project, "tsconfig.json"), JSON.stringify(config));
    await run(tool("tsc"), ["-p", project]);
    await writeFile(path.join(project, "consumer.ts"), consumer.replace('rate: "100000/h"', "rate: 100_000"));
    await assert.rejects(run(tool("tsc"), ["-p", project]), { stdout: /consumer\.ts.+TS2322/ });
  });
}

const consumer = `
import { defineConfig, Reject, type HandlerContext, type HandlerRequest } from "sluice";
import { createClient, SluiceClientError, type WireRequest } from "@sluice/client";

export default defineConfig({
  queues: {
    orders: {
      rate: "100000/h",
      handle(request: HandlerRequest, { signal, log }: HandlerContext) {
        log.info({ id: request.id }, "order");
        signal.throwIfAborted();
        if (request.bytes.length === 0) throw new Reject("empty");
      },
    },
  },
});

export async function outcome(url: string): Promise<WireRequest["state"]> {
  const client = createClient({ url });
  try {
    const { id } = await client.submit("orders", { sku: 7 });
    return (await client.wait(id)).state;
  } catch (error) {
    if (error instanceof SluiceClientError && error.kind === "refused") return "cancelled";
    throw error;
  }
}
`;

const submitter = `
import { createClient } from "@sluice/client";
const [url = "", body = ""] = process.argv.slice(2);
const client = createClient({ url });
const { id } = await client.submit("orders", JSON.parse(body));
await client.wait(id, { timeoutMs: 30_000 });
console.log((await client.result(id)).text());
`;

async function submit(url: string, body: unknown): Promise<string> {
  const file = path.join(project, "submit.ts");
  await writeFile(file, submitter);
  return run(process.execPath, [file, url, JSON.stringify(body)]);
}

/** What packing needs: the packages, and the packages of others where they are. */
async function copyRepository(copy: string): Promise<void> {
  const built = /\/(node_modules|lib|LICENSE|\.package\.json\.kept)$/;
  for (const name of ["package.json", "tsconfig.json", "LICENSE", "packages", "scripts"])
    await cp(path.join(repository, name), path.join(copy, name), {
      recursive: true,
      filter: (source) => !built.test(source) || path.dirname(source) === repository,
    });
  await symlink(path.join(repository, "node_modules"), path.join(copy, "node_modules"));
}

/** The paths of the tarballs. */
async function pack(copy: string): Promise<readonly string[]> {
  const workspaces = names.flatMap((name) => ["--workspace", name]);
  const packed = await run("npm", ["pack", "--json", "--pack-destination", folder.path, ...workspaces], copy);
  const files = packedFiles(JSON.parse(packed.slice(packed.search(/^[[{]/m))));
  assert.equal(files.length, names.length);
  return files.map((file) => path.join(folder.path, file));
}

/** npm 11 and before tell a list, newer ones an object by name. */
function packedFiles(told: object): readonly string[] {
  return Object.values(told).map(({ filename }: { filename: string }) => filename.replace("@", "").replace("/", "-"));
}

async function manifestOf<Shape>(from: string): Promise<Shape> {
  return JSON.parse(await readFile(path.join(from, "package.json"), "utf8")) as Shape;
}

function tool(name: string): string {
  return path.join(repository, "node_modules/.bin", name);
}

async function run(command: string, args: readonly string[], cwd = project): Promise<string> {
  // The tests' own run and npm's settings for it are no business of what an installed package does.
  const outer = Object.keys(process.env).filter((name) => /^(npm_|NODE_TEST_CONTEXT)/i.test(name));
  const env = { ...process.env, ...Object.fromEntries(outer.map((name) => [name, undefined])) };
  const { stdout } = await promisify(execFile)(command, args, { cwd, env, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

/** As `npx sluice up` does, without npm in between: npm hands no signal on to what it runs. */
async function startServer(args: readonly string[]): Promise<Child & { readonly url: string }> {
  const command = path.join(project, "node_modules/.bin/sluice");
  const child = await startChild({ command, args: ["up", "--port", "0", ...args], cwd: project });
  const [, url = ""] = await child.line(/^Sluice listens on (http:\S+)/);
  return { ...child, url };
}

async function stopped(server: Child): Promise<void> {
  server.kill("SIGTERM");
  assert.deepEqual(await server.exited, { code: 0, signal: null }, server.output());
}

async function startTarget(): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    response.setHeader("content-type", "text/plain").write(`${request.method} `);
    request.pipe(response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await promisify(server.close.bind(server))();
    },
  };
}
