// The manifest of a package as it is published. In the repository `exports` names the sources, which Node runs as they are;
// under node_modules Node strips no types, so what is published names what the build made of them.

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly imports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly [other: string]: unknown;
}

const source = /^\.\/src\/(.+)\.ts$/;

/** `exports` of the build with their types, and nothing that only the repository has a use for. */
export function publishedManifest(manifest: Manifest): Readonly<Record<string, unknown>> {
  const { scripts: _, devDependencies: __, exports, imports = {}, ...kept } = manifest;
  const outsideImports = Object.entries(imports).filter(([, target]) => !target.startsWith("./src/"));
  return {
    ...kept,
    ...(outsideImports.length > 0 && { imports: Object.fromEntries(outsideImports) }),
    exports: {
      ...Object.fromEntries(Object.entries(exports).map(([name, target]) => [name, built(target)])),
      "./package.json": "./package.json",
    },
  };
}

/** The order matters: whoever resolves takes the first condition that fits. */
function built(target: string): { readonly types: string; readonly default: string } {
  const [, path] = source.exec(target) ?? [];
  if (path === undefined) throw new Error(`an export must be a file ./src/….ts, got ${target}`);
  return { types: `./lib/${path}.d.ts`, default: `./lib/${path}.js` };
}
