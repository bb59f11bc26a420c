// Who may import whom: design as a table, checked on every source file but the tests.
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { Visitor, parseSync } from "oxc-parser";

interface Layer {
  /** Folders of `packages/sluice/src` that it may import besides itself; "*" is all of them. */
  readonly ours: readonly string[] | "*";
  /** Those of which it may import types alone. */
  readonly oursTypes?: readonly string[];
  /** Packages and `node:` modules from outside; everything when not given. */
  readonly outside?: readonly string[];
  /** Whether it speaks to a gateway over HTTP, as its clients do. */
  readonly isClient?: true;
}

/** A file belongs to the longest name that its folder starts with. */
const layers: Readonly<Record<string, Layer>> = {
  "packages/client/src": { ours: [], outside: [] },
  "packages/dashboard/src": { ours: [], outside: ["preact", "preact/hooks", "uplot"], isClient: true },
  core: { ours: [], outside: ["node:crypto"] },
  files: { ours: ["core"] },
  telemetry: { ours: ["core"] },
  engine: { ours: ["core", "telemetry"] },
  "engines/shared": { ours: ["engine", "core", "telemetry"] },
  "engines/embedded": { ours: ["engines/shared", "engine", "core", "telemetry", "files"] },
  "engines/cluster": { ours: ["engines/shared", "engine", "core", "telemetry"] },
  spool: { ours: ["engine", "core", "telemetry"] },
  callbacks: { ours: ["engine", "core", "telemetry"] },
  schedules: { ours: ["engine", "core", "telemetry"] },
  gateway: { ours: ["engine", "core", "telemetry", "files", "outbound"] },
  outbound: { ours: ["core"] },
  worker: { ours: ["engine", "core", "telemetry", "outbound"] },
  autoscaler: { ours: ["engine", "core", "telemetry"] },
  planner: { ours: ["core"] },
  rehearsal: { ours: ["core", "planner"], isClient: true },
  config: { ours: ["core", "files", "outbound"], oursTypes: ["engine", "gateway", "worker"] },
  cli: { ours: "*" },
  "index.ts": { ours: "*" },
};

const sluiceSrc = "packages/sluice/src";

interface Import {
  readonly specifier: string;
  readonly isType: boolean;
}

/** Every forbidden import under `root`, one line each: the file, the import, the rule. */
export function boundaryViolations(root: string): readonly string[] {
  return globSync("packages/{sluice,client,dashboard}/src/**/*.{ts,tsx}", { cwd: root })
    .filter((file) => !file.endsWith(".test.ts"))
    .toSorted()
    .flatMap((file) => violationsOf(file, readFileSync(path.join(root, file), "utf8")));
}

function violationsOf(file: string, source: string): string[] {
  const name = layerOf(file);
  const layer = name === undefined ? undefined : layers[name];
  if (name === undefined || layer === undefined) return [`${file}: is in no layer that scripts/boundaries.ts knows`];
  const forbidden = importsOf(file, source).filter((found) => !isAllowed(file, { name, layer, found }));
  return forbidden.map(
    ({ specifier, isType }) => `${file}: ${name} may not import ${specifier}${isType ? " (type)" : ""}`,
  );
}

function isAllowed(file: string, { name, layer, found }: { name: string; layer: Layer; found: Import }): boolean {
  const { specifier, isType } = found;
  if (specifier === "process" || specifier === "node:process") return name === "cli" || name === "config";
  if (specifier === "@sluice/client" && layer.isClient) return true;
  if (specifier === "sluice" || specifier.startsWith("@sluice/")) return layer.ours === "*";
  if (!/^[.#]/.test(specifier)) return layer.outside?.includes(specifier) ?? true;
  const imported = resolve(file, specifier);
  if (layer.ours === "*") return imported.startsWith("packages/sluice/");
  const target = layerOf(imported);
  if (target === undefined || target === name) return target === name;
  return layer.ours.includes(target) || (isType && layer.oursTypes?.includes(target) === true);
}

function resolve(file: string, specifier: string): string {
  return specifier.startsWith("#src/")
    ? path.posix.join(sluiceSrc, specifier.slice("#src/".length))
    : path.posix.join(path.posix.dirname(file), specifier);
}

function layerOf(file: string): string | undefined {
  const within = file.startsWith(`${sluiceSrc}/`) ? file.slice(sluiceSrc.length + 1) : file;
  return Object.keys(layers).find((name) => within === name || within.startsWith(`${name}/`));
}

/** Static and dynamic imports, re-exports, `import("…")` types and the files that threads are made of. */
function importsOf(file: string, source: string): Import[] {
  const imports: Import[] = [];
  const add = (specifier: string | undefined, isType = false): void => {
    if (specifier !== undefined) imports.push({ specifier, isType });
  };
  new Visitor({
    ImportDeclaration: (node) => add(node.source.value, node.importKind === "type"),
    ExportNamedDeclaration: (node) => add(node.source?.value, node.exportKind === "type"),
    ExportAllDeclaration: (node) => add(node.source.value, node.exportKind === "type"),
    ImportExpression: (node) => add(textOf(node.source)),
    TSImportType: (node) => add(node.source.value, true),
    NewExpression: ({ callee, arguments: [first] }) => {
      const isRelativeUrl = callee.type === "Identifier" && callee.name === "URL" && textOf(first)?.startsWith(".");
      if (isRelativeUrl) add(textOf(first));
    },
  }).visit(parseSync(file, source).program);
  return imports;
}

function textOf(node: object | undefined): string | undefined {
  return node !== undefined && "value" in node && typeof node.value === "string" ? node.value : undefined;
}
