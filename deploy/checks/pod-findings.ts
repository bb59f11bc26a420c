// What a pod's own description says of itself and of the configuration it is given: nothing may point to nowhere.
import { named, type Workload } from "./objects.ts";
import { at, isTree, textAt, textsAt, treesAt, type Tree } from "./tree.ts";

export function podFindings({ name, spec, containers }: Workload, objects: readonly Tree[]): readonly string[] {
  const volumes = treesAt(spec, "volumes");
  const mounted = new Set(textsAt(containers, "volumeMounts", "name"));
  const account = textAt(spec, "serviceAccountName");
  return [
    ...volumes.flatMap((volume) => sourceFindings(volume, objects)),
    ...textsAt(volumes, "name").flatMap((volume) =>
      mounted.has(volume) ? [] : [`nobody mounts the volume ${volume}`],
    ),
    ...(account === undefined || named(objects, "ServiceAccount", account) ? [] : [`no ServiceAccount ${account}`]),
    ...containers.flatMap((container) => [
      ...containerFindings(container, { volumes, objects }),
      ...rightsFindings(container, spec),
    ]),
  ].map((finding) => `${name}: ${finding}`);
}

function sourceFindings(volume: Tree, objects: readonly Tree[]): readonly string[] {
  const [secret, configMap] = [textAt(volume, "secret", "secretName"), textAt(volume, "configMap", "name")];
  if (secret !== undefined && !named(objects, "Secret", secret)) return [`no Secret ${secret}`];
  if (configMap !== undefined && !named(objects, "ConfigMap", configMap)) return [`no ConfigMap ${configMap}`];
  return [];
}

interface Surroundings {
  readonly volumes: readonly Tree[];
  readonly objects: readonly Tree[];
}

function containerFindings(container: Tree, { volumes, objects }: Surroundings): readonly string[] {
  const mounts = treesAt(container, "volumeMounts").map((mount) => ({
    path: textAt(mount, "mountPath") ?? "",
    volume: volumes.find(({ name }) => name === mount["name"]),
    name: textAt(mount, "name") ?? "",
  }));
  const [sets, direct] = [textsAt(container, "envFrom", "configMapRef", "name"), treesAt(container, "env")];
  const lent = sets.flatMap((set) => Object.entries(treesAt(named(objects, "ConfigMap", set), "data")[0] ?? {}));
  const variables = [...lent, ...direct.map(({ name, value }) => [String(name), value] as const)];
  const files = variables.flatMap(([variable, value]) =>
    variable.endsWith("_FILE") && value !== "" ? [String(value)] : [],
  );
  const scripts = textsAt(container, "command").filter((word) => word.startsWith("/"));
  const ports = textsAt(container, "ports", "name");
  return [
    ...mounts.flatMap(({ volume, name }) => (volume === undefined ? [`no volume ${name}`] : [])),
    ...sets.flatMap((set) => (named(objects, "ConfigMap", set) ? [] : [`no ConfigMap ${set}`])),
    ...[...files, ...scripts].flatMap((file) => {
      const mount = mounts.find(({ path }) => file.startsWith(`${path}/`));
      const held = mount?.volume && keysOf(mount.volume, objects);
      return held?.includes(file.slice((mount?.path.length ?? 0) + 1)) ? [] : [`nothing is mounted as ${file}`];
    }),
    ...["livenessProbe", "readinessProbe", "startupProbe"].flatMap((probe) =>
      ["httpGet", "tcpSocket"]
        .flatMap((way) => textsAt(container, probe, way, "port"))
        .flatMap((port) => (ports.includes(port) ? [] : [`${probe} asks a port ${port} that is not there`])),
    ),
  ];
}

/** The files of a volume that is made of a Secret or a ConfigMap. */
function keysOf(volume: Tree, objects: readonly Tree[]): readonly string[] {
  const secret = named(objects, "Secret", textAt(volume, "secret", "secretName"));
  const configMap = named(objects, "ConfigMap", textAt(volume, "configMap", "name"));
  return treesAt(secret ?? configMap, "data").flatMap((data) => Object.keys(data));
}

/** The rules of Kubernetes' restricted standard, and a root file system that nobody can write. */
function rightsFindings(container: Tree, spec: Tree): readonly string[] {
  const [pod = {}] = treesAt(spec, "securityContext");
  const [own = {}] = treesAt(container, "securityContext");
  const kept: Readonly<Record<string, boolean>> = {
    "does not run as root": pod["runAsNonRoot"] === true && Number(pod["runAsUser"]) > 0,
    "has the default seccomp profile": textAt(pod, "seccompProfile", "type") === "RuntimeDefault",
    "gains no privileges": own["allowPrivilegeEscalation"] === false && own["privileged"] === undefined,
    "has a read-only root": own["readOnlyRootFilesystem"] === true,
    "has no capabilities":
      at(own, "capabilities", "drop").includes("ALL") && !isTree(at(own, "capabilities", "add")[0]),
    "asks for CPU and memory": textsAt(container, "resources", "requests", "cpu").length === 1,
    "has a bound of memory": textsAt(container, "resources", "limits", "memory").length === 1,
  };
  const broken = Object.keys(kept).filter((rule) => !kept[rule]);
  return broken.map((rule) => `${textAt(container, "name")} is not one that ${rule}`);
}
