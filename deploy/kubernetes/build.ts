import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { findProgram } from "@sluice/testing";
import { parseAllDocuments } from "yaml";
import type { Tree } from "../checks/tree.ts";

export const overlays = ["autoscaler", "keda", "hpa", "only-postgres"] as const;
export type Overlay = (typeof overlays)[number];

/** The objects that `kubectl apply -k` would send. */
export function build(overlay: Overlay): readonly Tree[] {
  const kubectl = findProgram({ program: "kubectl", debianPackage: "kubernetes-client" });
  const folder = fileURLToPath(new URL(`./overlays/${overlay}`, import.meta.url));
  // What newer ones call deprecated is on purpose: base/kustomization.yaml.
  const text = execFileSync(kubectl, ["kustomize", folder], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  return parseAllDocuments(text).map((document) => document.toJS() as Tree);
}
