// The scale subresource of a Deployment or a StatefulSet: a Role that allows `get` and `update` on just that is enough.
// The object's resourceVersion goes with each update, and the API server refuses one that is old.
import type { AppsV1Api, KubeConfig, Middleware, V1Scale } from "@kubernetes/client-node";
import { messageOf, SluiceError } from "../../core/errors.ts";
import type { Platform, ReplicaCount, ScaleResult } from "../platform.ts";

export interface KubernetesTarget {
  readonly kind: "deployment" | "statefulset";
  readonly name: string;
  /** That of the pod or of the kubeconfig's context unless given. */
  readonly namespace?: string | undefined;
}

export interface KubernetesOptions extends KubernetesTarget {
  /** KUBECONFIG, ~/.kube/config or the pod's own account unless given. */
  readonly kubeconfig?: string | undefined;
  /** How long one call may take, in milliseconds; 10,000 unless set. */
  readonly timeoutMs?: number | undefined;
}

type Client = typeof import("@kubernetes/client-node");

/** Errors: `bad-config` when there is no cluster to be found, or the client is not installed. */
export async function openKubernetes(options: KubernetesOptions): Promise<Platform> {
  const client = await loadClient();
  return usable(() => {
    const config = configOf(client, options);
    const target = { ...options, namespace: namespaceIn(config, options) };
    return new KubernetesPlatform(apiOf(config, client, options.timeoutMs ?? 10_000), target, client);
  });
}

/** The namespace of what is scaled, given or not. Errors: as `openKubernetes`. */
export async function namespaceOf(options: KubernetesOptions): Promise<string> {
  const client = await loadClient();
  return usable(() => namespaceIn(configOf(client, options), options));
}

function usable<Value>(use: () => Value): Value {
  try {
    return use();
  } catch (cause) {
    throw new SluiceError("bad-config", `the kubeconfig cannot be used: ${messageOf(cause)}`, { cause });
  }
}

function configOf(client: Client, { kubeconfig }: KubernetesOptions): KubeConfig {
  const config = new client.KubeConfig();
  if (kubeconfig === undefined) config.loadFromDefault();
  else config.loadFromFile(kubeconfig);
  return config;
}

function namespaceIn(config: KubeConfig, { namespace }: KubernetesOptions): string {
  return namespace ?? config.getContextObject(config.currentContext)?.namespace ?? "default";
}

interface Target extends KubernetesTarget {
  readonly namespace: string;
}

class KubernetesPlatform implements Platform {
  readonly name = "kubernetes";
  readonly #api: AppsV1Api;
  readonly #target: Target;
  readonly #client: Client;

  constructor(api: AppsV1Api, target: Target, client: Client) {
    this.#api = api;
    this.#target = target;
    this.#client = client;
  }

  async replicas(): Promise<ReplicaCount> {
    const scale = await this.#asked(() => this.#read());
    const version = scale.metadata?.resourceVersion;
    if (version === undefined) throw new SluiceError("unreachable", "Kubernetes told a scale without its version");
    return { replicas: scale.spec?.replicas ?? 0, version };
  }

  async scaleTo(replicas: number, version: string): Promise<ScaleResult> {
    const { name, namespace } = this.#target;
    const body: V1Scale = {
      apiVersion: "autoscaling/v1",
      kind: "Scale",
      metadata: { name, namespace, resourceVersion: version },
      spec: { replicas },
    };
    try {
      await this.#asked(() => this.#replace(body));
      return "scaled";
    } catch (error) {
      if (error instanceof SluiceError && this.#statusOf(error.cause) === 409) return "conflict";
      throw error;
    }
  }

  async standDown(): Promise<void> {} // the replicas are the cluster's, whoever leads

  async [Symbol.asyncDispose](): Promise<void> {} // connections end when idle

  #read(): Promise<V1Scale> {
    const { kind, name, namespace } = this.#target;
    return kind === "deployment"
      ? this.#api.readNamespacedDeploymentScale({ name, namespace })
      : this.#api.readNamespacedStatefulSetScale({ name, namespace });
  }

  #replace(body: V1Scale): Promise<V1Scale> {
    const { kind, name, namespace } = this.#target;
    return kind === "deployment"
      ? this.#api.replaceNamespacedDeploymentScale({ name, namespace, body })
      : this.#api.replaceNamespacedStatefulSetScale({ name, namespace, body });
  }

  async #asked<Value>(ask: () => Promise<Value>): Promise<Value> {
    try {
      return await ask();
    } catch (error) {
      throw this.#failureOf(error);
    }
  }

  #statusOf(error: unknown): number | undefined {
    return error instanceof this.#client.ApiException ? error.code : undefined;
  }

  #failureOf(error: unknown): SluiceError {
    const { kind, name, namespace } = this.#target;
    const what = `${kind} ${namespace}/${name}`;
    const status = this.#statusOf(error);
    const refused = (why: string) => new SluiceError("bad-config", `${why} (${status})`, { cause: error });
    switch (status) {
      case 401:
        return refused("Kubernetes does not know this account");
      case 403:
        return refused(`Kubernetes does not let this account get and update the scale of ${what}`);
      case 404:
        return refused(`Kubernetes has no ${what}`);
      case 400:
      case 422:
        return refused(`Kubernetes does not accept the scale of ${what}`);
      default: // 409 of a write, 410, 429, 5xx, or no answer at all
        return new SluiceError("unreachable", `Kubernetes cannot be used now: ${status ?? messageOf(error)}`, {
          cause: error,
        });
    }
  }
}

/** As the configuration's own makeApiClient does, with a limit of time on each call. */
function apiOf(config: KubeConfig, client: Client, timeoutMs: number): AppsV1Api {
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error("it names no current cluster");
  const limited: Middleware = {
    pre(context) {
      context.setSignal(AbortSignal.timeout(timeoutMs));
      return Promise.resolve(context);
    },
    post: (context) => Promise.resolve(context),
  };
  const configuration = client.createConfiguration({
    baseServer: new client.ServerConfiguration(cluster.server, {}),
    authMethods: { default: config },
    promiseMiddleware: [limited],
  });
  return new client.AppsV1Api(configuration);
}

async function loadClient(): Promise<Client> {
  try {
    return await import("@kubernetes/client-node");
  } catch (cause) {
    const advice = "the platform kubernetes needs its client: npm install @kubernetes/client-node";
    throw new SluiceError("bad-config", advice, { cause });
  }
}
