// A look-up in the objects of one cluster.
import { at, isTree, textAt, treesAt, type Tree } from "./tree.ts";

export function ofKind(objects: readonly Tree[], kind: string): readonly Tree[] {
  return objects.filter((object) => object["kind"] === kind);
}

export function nameOf(object: Tree): string {
  return textAt(object, "metadata", "name") ?? "";
}

export function named(objects: readonly Tree[], kind: string, name: unknown): Tree | undefined {
  return ofKind(objects, kind).find((object) => nameOf(object) === name);
}

/** What makes pods, with what they are made like. */
export interface Workload {
  readonly name: string;
  readonly labels: Tree;
  readonly spec: Tree;
  readonly containers: readonly Tree[];
}

export function workloadsOf(objects: readonly Tree[]): readonly Workload[] {
  return [...ofKind(objects, "Deployment"), ...ofKind(objects, "Job")].map((object) => {
    const [template] = treesAt(object, "spec", "template");
    const [labels = {}] = treesAt(template, "metadata", "labels");
    const [spec = {}] = treesAt(template, "spec");
    return { name: nameOf(object), labels, spec, containers: treesAt(spec, "containers") };
  });
}

/** Whether a selector, of labels alone or with expressions, takes these labels. One that is empty takes all. */
export function selects(selector: Tree, labels: Tree): boolean {
  const plain = isTree(selector["matchLabels"]) || "matchExpressions" in selector ? selector["matchLabels"] : selector;
  const fits = Object.entries(isTree(plain) ? plain : {}).every(([key, value]) => labels[key] === value);
  return fits && treesAt(selector, "matchExpressions").every((expression) => isMet(expression, labels));
}

function isMet({ key, operator, values }: Tree, labels: Tree): boolean {
  const isIn = at(values).includes(labels[String(key)]);
  switch (operator) {
    case "In":
      return isIn;
    case "NotIn":
      return !isIn;
    default:
      throw new Error(`the checks do not know the operator ${String(operator)}`);
  }
}
