// What the objects of one cluster say of each other: every name, selector and port has to lead somewhere.
import { named, nameOf, ofKind, selects, workloadsOf, type Workload } from "./objects.ts";
import { podFindings } from "./pod-findings.ts";
import { at, isTree, textAt, textsAt, treesAt, type Tree } from "./tree.ts";

export function referenceFindings(objects: readonly Tree[]): readonly string[] {
  const workloads = workloadsOf(objects);
  return [
    ...objects.flatMap((object) => namespaceFindings(object, objects)),
    ...workloads.flatMap((workload) => podFindings(workload, objects)),
    ...objects.flatMap((object) => selectorFindings(object, workloads)),
    ...objects.flatMap((object) => targetFindings(object, objects)),
    ...ofKind(objects, "RoleBinding").flatMap((binding) => bindingFindings(binding, objects)),
    ...ofKind(objects, "ScaledObject").flatMap((scaled) => triggerFindings(scaled, objects)),
    ...workloads.flatMap(({ containers }) => flagFindings(containers, objects)),
  ];
}

function namespaceFindings(object: Tree, objects: readonly Tree[]): readonly string[] {
  if (object["kind"] === "Namespace") return [];
  const namespace = textAt(object, "metadata", "namespace");
  return named(objects, "Namespace", namespace) ? [] : [`${nameOf(object)}: no Namespace ${String(namespace)}`];
}

const selectorPaths: Readonly<Record<string, readonly string[]>> = {
  Deployment: ["spec", "selector"],
  Service: ["spec", "selector"],
  PodDisruptionBudget: ["spec", "selector"],
  NetworkPolicy: ["spec", "podSelector"],
};

function selectorFindings(object: Tree, workloads: readonly Workload[]): readonly string[] {
  const kind = String(object["kind"]);
  const [selector] = treesAt(object, ...(selectorPaths[kind] ?? ["spec", "none"]));
  if (selector === undefined) return [];
  const selected = workloads.filter(({ labels }) => selects(selector, labels));
  const isOwn = kind !== "Deployment" || selected.some(({ name }) => name === nameOf(object));
  if (selected.length === 0 || !isOwn) return [`${kind} ${nameOf(object)} selects no pods`];
  const ports = [
    ...textsAt(object, "spec", "ports", "targetPort"),
    ...textsAt(object, "spec", "ingress", "ports", "port"),
  ];
  const there = selected.flatMap(({ containers }) => textsAt(containers, "ports", "name"));
  return ports.flatMap((port) => (there.includes(port) ? [] : [`${kind} ${nameOf(object)}: no port ${port}`]));
}

function targetFindings(object: Tree, objects: readonly Tree[]): readonly string[] {
  return treesAt(object, "spec", "scaleTargetRef").flatMap(({ kind, name }) =>
    named(objects, String(kind), name) ? [] : [`${nameOf(object)}: no ${String(kind)} ${String(name)}`],
  );
}

function bindingFindings(binding: Tree, objects: readonly Tree[]): readonly string[] {
  return [...treesAt(binding, "roleRef"), ...treesAt(binding, "subjects")].flatMap(({ kind, name, namespace }) => {
    const found = named(objects, String(kind), name);
    const isThere =
      found !== undefined &&
      (namespace ?? textAt(found, "metadata", "namespace")) === textAt(found, "metadata", "namespace");
    return isThere ? [] : [`RoleBinding ${nameOf(binding)}: no ${String(kind)} ${String(name)}`];
  });
}

function triggerFindings(scaled: Tree, objects: readonly Tree[]): readonly string[] {
  return treesAt(scaled, "spec", "triggers").flatMap((trigger) => {
    const authentication = textAt(trigger, "authenticationRef", "name");
    const found = named(objects, "TriggerAuthentication", authentication);
    if (authentication !== undefined && found === undefined) return [`no TriggerAuthentication ${authentication}`];
    return [
      ...treesAt(found, "spec", "secretTargetRef").flatMap(({ name, key }) => {
        const data = at(named(objects, "Secret", name), "data")[0];
        return isTree(data) && String(key) in data ? [] : [`no ${String(key)} in a Secret ${String(name)}`];
      }),
      ...treesAt(trigger, "metadata").flatMap(Object.keys).flatMap(unknownParameter),
      ...textsAt(trigger, "metadata", "url").flatMap((url) => addressFindings(url, objects)),
    ];
  });
}

/** Of the trigger metrics-api, as https://keda.sh/docs/2.15/scalers/metrics-api names them: its schema has any. */
const triggerParameters = [
  "activationTargetValue",
  "authMode",
  "format",
  "keyParamName",
  "method",
  "targetValue",
  "unsafeSsl",
  "url",
  "valueLocation",
];

function unknownParameter(parameter: string): readonly string[] {
  return triggerParameters.includes(parameter) ? [] : [`the trigger has no parameter ${parameter}`];
}

function addressFindings(address: string, objects: readonly Tree[]): readonly string[] {
  const { hostname, port } = new URL(address);
  const [name, namespace] = hostname.split(".");
  const service = named(objects, "Service", name);
  const isThere =
    textAt(service, "metadata", "namespace") === namespace &&
    at(service, "spec", "ports", "port").includes(Number(port));
  return isThere ? [] : [`no Service at ${hostname}:${port}`];
}

/** `--deployment NAME` of the autoscaler. */
function flagFindings(containers: readonly Tree[], objects: readonly Tree[]): readonly string[] {
  return containers.flatMap((container) => {
    const args = textsAt(container, "args");
    const place = args.indexOf("--deployment");
    return place === -1 || named(objects, "Deployment", args[place + 1]) ? [] : [`no Deployment ${args[place + 1]}`];
  });
}
