import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";

const asHtml = { accept: "text/html,application/xhtml+xml" };
const script = `console.log("${"as good as any ".repeat(100)}");\n`;

describe("the dashboard", () => {
  let folder: string;
  let sut: GatewayUnderTest;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sluice-dashboard-"));
    await mkdir(join(folder, "assets"));
    await writeFile(join(folder, "index.html"), "<!doctype html><title>Sluice</title>");
    await writeFile(join(folder, "assets/index-1a2b.js"), script);
    await writeFile(join(folder, "secret.txt"), "not a file of the page");
    sut = await GatewayUnderTest.open({ dashboardFolder: folder });
  });
  after(async () => {
    await sut[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  test("is what a browser gets at /, never from a cache without asking, under a strict policy", async () => {
    const { status, headers, text } = await sut.fetch("/", { headers: asHtml });
    assert.equal(status, 200);
    assert.match(text, /<title>Sluice/);
    assert.equal(headers.get("content-type"), "text/html; charset=utf-8");
    assert.equal(headers.get("cache-control"), "no-cache");
    assert.match(headers.get("vary") ?? "", /accept/);
    const policy = headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    const again = await sut.fetch("/", { headers: { ...asHtml, "if-none-match": headers.get("etag") ?? "" } });
    assert.equal(again.status, 304);
    assert.equal(again.text, "");
  });

  test("programs get the index of the API at /", async () => {
    for (const accept of ["*/*", "application/json"]) {
      assert.equal((await sut.fetch("/", { headers: { accept } })).json.name, "sluice");
    }
  });

  test("has assets that are kept for ever, compressed for whoever takes that", async () => {
    for (const coding of ["br", "gzip", "identity"]) {
      const { status, headers, text } = await sut.fetch("/assets/index-1a2b.js", {
        headers: { "accept-encoding": coding },
      });
      assert.equal(status, 200);
      assert.equal(text, script);
      assert.equal(headers.get("content-encoding") ?? "identity", coding);
      assert.equal(headers.get("content-type"), "text/javascript; charset=utf-8");
      assert.equal(headers.get("cache-control"), "public, max-age=31536000, immutable");
      assert.ok(Number(headers.get("content-length")) <= script.length);
    }
    const refused = await sut.fetch("/assets/index-1a2b.js", { headers: { "accept-encoding": "br;q=0, gzip" } });
    assert.equal(refused.headers.get("content-encoding"), "gzip");
  });

  test("gives nothing but its own files", async () => {
    for (const path of ["/assets/nothing.js", "/assets/", "/secret.txt", "/index.html"]) {
      assert.equal((await sut.fetch(path, { headers: asHtml })).status, 404, path);
    }
    for (const path of ["/assets/../secret.txt", "/assets/..%2fsecret.txt", "/assets/%2e%2e/index.html"]) {
      const answer = await sut.raw(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
      assert.match(answer, /^HTTP\/1\.1 404 /, path);
    }
  });

  test("is served from memory", async () => {
    const path = join(folder, "index.html");
    await rm(path);
    assert.equal((await sut.fetch("/", { headers: asHtml })).status, 200);
    await writeFile(path, "");
  });
});

test("a dashboard that is not built says how to build it, and is there as soon as it is", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sluice-dashboard-"));
  const dashboardFolder = join(folder, "dist");
  await using sut = await GatewayUnderTest.open({ dashboardFolder });
  const { status, text } = await sut.fetch("/", { headers: asHtml });
  assert.equal(status, 503);
  assert.match(text, /npm run build:dashboard/);
  assert.equal((await sut.fetch("/assets/index.js")).status, 404);
  assert.equal((await sut.fetch("/livez")).status, 200);
  await mkdir(dashboardFolder);
  await writeFile(join(dashboardFolder, "index.html"), "<!doctype html><title>Sluice</title>");
  assert.equal((await sut.fetch("/", { headers: asHtml })).status, 200);
  await rm(folder, { recursive: true });
});
