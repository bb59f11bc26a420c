// A compose file or a stack against itself: what a service names has to be declared, and what is declared has to be used.
import { at, isTree, textsAt, treesAt, type Tree } from "./tree.ts";

const declared = ["secrets", "configs", "volumes", "networks"] as const;
type Declared = (typeof declared)[number];

export function composeFindings(file: Tree): readonly string[] {
  const services = treesAt(file, "services").flatMap((all) => Object.entries(all));
  return [
    ...services.flatMap(([name, service]) => serviceFindings(name, { service, file })),
    ...declared.flatMap((kind) => unusedOf(kind, { services: services.map(([, service]) => service), file })),
  ];
}

interface Placed {
  readonly service: unknown;
  readonly file: Tree;
}

function serviceFindings(name: string, { service, file }: Placed): readonly string[] {
  const missing = declared.flatMap((kind) => {
    const there = keysOf(file[kind]);
    return namesIn(kind, service).flatMap((used) =>
      there.includes(used) ? [] : [`nothing in ${kind} is called ${used}`],
    );
  });
  const before = at(service, "depends_on").flatMap((needs) => (Array.isArray(needs) ? needs : keysOf(needs)));
  const others = keysOf(file["services"]);
  const files = treesAt(service, "environment").flatMap((environment) =>
    Object.entries(environment).flatMap(([variable, value]) => (variable.endsWith("_FILE") ? [String(value)] : [])),
  );
  const args = textsAt(service, "command").filter((word) => word.startsWith("/run/secrets/"));
  const scaled = flagOf(textsAt(service, "command"), "--service")?.replace(/^.*_/, "");
  return [
    ...missing,
    ...before.flatMap((need) => (others.includes(need) ? [] : [`no service ${need}`])),
    ...[...files, ...args].flatMap((path) => (secretPaths(service).includes(path) ? [] : [`no secret is ${path}`])),
    ...(scaled === undefined || others.includes(scaled) ? [] : [`no service ${scaled}`]),
  ].map((finding) => `${name}: ${finding}`);
}

function keysOf(value: unknown): readonly string[] {
  return isTree(value) ? Object.keys(value) : [];
}

/** The names of what is declared at the top, in a service's short and long forms; a path is no name. */
function namesIn(kind: Declared, service: unknown): readonly string[] {
  return at(service, kind)
    .flatMap((used) => (Array.isArray(used) ? used : [used]))
    .flatMap((used: unknown) => {
      if (isTree(used)) return ["bind", "tmpfs"].includes(String(used["type"])) ? [] : [String(used["source"])];
      const name = kind === "volumes" ? String(used).replace(/:.*$/, "") : String(used);
      return kind === "volumes" && /^[./$]/.test(String(used)) ? [] : [name];
    });
}

function secretPaths(service: unknown): readonly string[] {
  return at(service, "secrets")
    .flat()
    .map((used) => {
      const target = isTree(used) ? String(used["target"] ?? used["source"]) : String(used);
      return target.startsWith("/") ? target : `/run/secrets/${target}`;
    });
}

function unusedOf(kind: Declared, { services, file }: { readonly services: readonly unknown[]; readonly file: Tree }) {
  const used = services.flatMap((service) => namesIn(kind, service));
  return keysOf(file[kind]).flatMap((name) => (used.includes(name) ? [] : [`nobody uses ${name} of ${kind}`]));
}

function flagOf(command: readonly string[], flag: string): string | undefined {
  const place = command.indexOf(flag);
  return place === -1 ? undefined : command[place + 1];
}
