import assert from "node:assert/strict";
import { test } from "node:test";
import { publishedManifest } from "./published-manifest.ts";

test("exports name the build, types first", () => {
  const { exports } = publishedManifest({ name: "a", version: "1.0.0", exports: { ".": "./src/index.ts" } });
  assert.deepEqual(exports, {
    ".": { types: "./lib/index.d.ts", default: "./lib/index.js" },
    "./package.json": "./package.json",
  });
  assert.deepEqual(Object.keys((exports as { ".": object })["."]), ["types", "default"]);
});

test("what only the repository has a use for is left out", () => {
  const published = publishedManifest({
    name: "a",
    version: "1.0.0",
    scripts: { prepack: "true" },
    devDependencies: { b: "*" },
    dependencies: { c: "^1.0.0" },
    imports: { "#src/*": "./src/*", "#page/*": "./dist/page/*" },
    exports: {},
  });
  assert.deepEqual(Object.keys(published).toSorted(), ["dependencies", "exports", "imports", "name", "version"]);
  assert.deepEqual(published["imports"], { "#page/*": "./dist/page/*" });
});

test("an export that is no source is refused", () => {
  const manifest = { name: "a", version: "1.0.0", exports: { ".": "./lib/index.js" } };
  assert.throws(() => publishedManifest(manifest), /must be a file \.\/src\/….ts, got \.\/lib\/index\.js/);
});
