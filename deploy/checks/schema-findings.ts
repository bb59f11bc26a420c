// Objects of Kubernetes against the published schemas of their kinds, and KEDA's against those of its own.
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import { TriggerAuthentication } from "@kubernetes-models/keda/keda.sh/v1alpha1/TriggerAuthentication";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { HorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler";
import { Job } from "kubernetes-models/batch/v1/Job";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { Role } from "kubernetes-models/rbac.authorization.k8s.io/v1/Role";
import { RoleBinding } from "kubernetes-models/rbac.authorization.k8s.io/v1/RoleBinding";
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";
import { Namespace } from "kubernetes-models/v1/Namespace";
import { Secret } from "kubernetes-models/v1/Secret";
import { Service } from "kubernetes-models/v1/Service";
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import { textAt, type Tree } from "./tree.ts";
import { unreadFields } from "./unread-fields.ts";

const models = [
  ConfigMap,
  Deployment,
  HorizontalPodAutoscaler,
  Job,
  Namespace,
  NetworkPolicy,
  PodDisruptionBudget,
  Role,
  RoleBinding,
  ScaledObject,
  Secret,
  Service,
  ServiceAccount,
  TriggerAuthentication,
];

export function schemaFindings(object: Tree): readonly string[] {
  const { apiVersion, kind } = object;
  const name = `${String(kind)} ${textAt(object, "metadata", "name")}`;
  const model = models.find((known) => known.apiVersion === apiVersion && known.kind === kind);
  if (model === undefined) return [`${name}: there is no schema for ${String(apiVersion)} here`];
  const wrong: string[] = [];
  const unknown = unreadFields(object, (watched) => {
    try {
      model.prototype.validate.call(watched);
    } catch (error) {
      wrong.push(String(error));
    }
  });
  return [...wrong, ...unknown.map((path) => `${path} is no field of it`)].map((finding) => `${name}: ${finding}`);
}
