// A service of Docker Swarm, through the Docker Engine's API. Swarm keeps a version with each service and refuses an
// update that was made on an older one.
import type Dockerode from "dockerode";
import { messageOf, SluiceError } from "../../core/errors.ts";
import type { Platform, ReplicaCount, ScaleResult } from "../platform.ts";

export interface SwarmOptions {
  /** The service's name or id. */
  readonly service: string;
  /** `unix:///run/docker.sock` or `tcp://host:2375`; what DOCKER_HOST says unless given. */
  readonly dockerHost?: string | undefined;
  /** How long one call may take, in milliseconds; 10,000 unless set. */
  readonly timeoutMs?: number | undefined;
}

interface ServiceInspection {
  readonly Version?: { readonly Index?: number };
  readonly Spec?: ServiceSpec;
}

/** What else it holds goes back as it came. */
interface ServiceSpec {
  readonly Mode?: { readonly Replicated?: { readonly Replicas?: number } };
}

interface Reading {
  readonly index: number;
  readonly spec: ServiceSpec;
  readonly replicas: number;
}

/** Errors: `bad-config` when the address is none, or dockerode is not installed. */
export async function openSwarm({ service, dockerHost, timeoutMs = 10_000 }: SwarmOptions): Promise<Platform> {
  const Docker = await loadDockerode();
  return new SwarmPlatform(new Docker({ ...addressOf(dockerHost), timeout: timeoutMs }).getService(service), service);
}

class SwarmPlatform implements Platform {
  readonly name = "swarm";
  readonly #service: Dockerode.Service;
  readonly #serviceName: string;

  constructor(service: Dockerode.Service, serviceName: string) {
    this.#service = service;
    this.#serviceName = serviceName;
  }

  async replicas(): Promise<ReplicaCount> {
    const { replicas, index } = await this.#read();
    return { replicas, version: String(index) };
  }

  /** Reads again first: an update replaces the whole of the service's specification, which somebody may have changed. */
  async scaleTo(replicas: number, version: string): Promise<ScaleResult> {
    const { spec, index } = await this.#read();
    if (String(index) !== version) return "conflict";
    const changed = { ...spec, Mode: { ...spec.Mode, Replicated: { Replicas: replicas } } };
    try {
      await this.#service.update({ _query: { version: index }, _body: changed });
      return "scaled";
    } catch (error) {
      if (/update out of sequence/i.test(messageOf(error))) return "conflict";
      throw this.#failureOf(error);
    }
  }

  async standDown(): Promise<void> {} // the replicas are the swarm's, whoever leads

  async [Symbol.asyncDispose](): Promise<void> {} // no connection is kept

  async #read(): Promise<Reading> {
    const { Spec: spec, Version: version } = await this.#inspect();
    const replicas = spec?.Mode?.Replicated?.Replicas;
    if (spec === undefined || version?.Index === undefined || replicas === undefined)
      throw new SluiceError("bad-config", `the service ${this.#serviceName} must be a replicated one`);
    return { spec, index: version.Index, replicas };
  }

  async #inspect(): Promise<ServiceInspection> {
    try {
      return (await this.#service.inspect()) as ServiceInspection;
    } catch (error) {
      throw this.#failureOf(error);
    }
  }

  #failureOf(error: unknown): SluiceError {
    const status = error instanceof Error && "statusCode" in error ? error.statusCode : undefined;
    const told = messageOf(error);
    switch (status) {
      case 404:
        return new SluiceError("bad-config", `the swarm has no service ${this.#serviceName}: ${told}`, {
          cause: error,
        });
      case 400:
      case 401:
      case 403:
        return new SluiceError("bad-config", `Docker refused: ${told}`, { cause: error });
      default: // 503: this node is no manager, for now or for good
        return new SluiceError("unreachable", `Docker cannot be used now: ${told}`, { cause: error });
    }
  }
}

async function loadDockerode(): Promise<typeof Dockerode> {
  try {
    return (await import("dockerode")).default;
  } catch (cause) {
    throw new SluiceError("bad-config", "the platform swarm needs the package dockerode: npm install dockerode", {
      cause,
    });
  }
}

function addressOf(dockerHost: string | undefined): Dockerode.DockerOptions {
  if (dockerHost === undefined) return {};
  const url = URL.parse(dockerHost);
  if (url?.protocol === "unix:" && url.pathname !== "") return { socketPath: url.pathname };
  if (url?.protocol === "tcp:" && url.hostname !== "")
    return { host: url.hostname, port: url.port || "2375", protocol: "http" };
  throw new SluiceError(
    "bad-config",
    `the Docker host must be unix:///run/docker.sock or tcp://host:2375, got "${dockerHost}"`,
  );
}
