// Where a swarm run plays: a swarm of one node with the stack on it, service B, and the client's ledger. It owns them; the
// Docker Engine is the run's.
import { randomBytes } from "node:crypto";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Child } from "@sluice/testing";
import { Ledger } from "../ledger.ts";
import { startTarget, type Target } from "../target.ts";
import { endedLine, eventArgs, healthyLine, parseEvents, type DockerEvent } from "./docker-events.ts";
import type { Docker } from "./docker.ts";
import { configText, stackEnvironment, stackName, stackSecrets } from "./stack.ts";

export interface SwarmStageOptions {
  readonly docker: Docker;
  readonly folder: string;
}

interface Parts {
  readonly docker: Docker;
  readonly folder: string;
  readonly target: Target;
  readonly ledger: Ledger;
  readonly events: Child;
  readonly resources: AsyncDisposableStack;
}

const stackFile = fileURLToPath(new URL("../../deploy/swarm/stack.yaml", import.meta.url));
const checked = ["postgres", "rabbitmq", "redis", "gateway", "worker", "autoscaler"] as const;

/** Hints are acknowledged in batches, and RabbitMQ counts its queues every few seconds. */
const emptyMsMax = 30_000;
const lookAgainMs = 500;

export const workerService = `${stackName}_worker`;

export class SwarmStage implements AsyncDisposable {
  readonly #parts: Parts;

  /** Resolves once Swarm has taken the stack; see `healthy`. */
  static async open({ docker, folder }: SwarmStageOptions): Promise<SwarmStage> {
    await using resources = new AsyncDisposableStack();
    const ledger = resources.use(await Ledger.open(join(folder, "ledger.ndjson")));
    const target = resources.use(await startTarget({ folder }));
    const events = resources.use(await docker.follow(eventArgs));
    await docker.run(["swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1"]);
    resources.defer(() => leave(docker));
    await deploy(docker, folder, target);
    return new SwarmStage({ docker, folder, target, ledger, events, resources: resources.move() });
  }

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  get ledger(): Ledger {
    return this.#parts.ledger;
  }

  get target(): Target {
    return this.#parts.target;
  }

  /** All that the engine told so far. */
  get events(): readonly DockerEvent[] {
    return parseEvents(this.#parts.events.output());
  }

  /** Resolves once the engine printed such a line of its events. */
  async happened(line: RegExp): Promise<void> {
    await this.#parts.events.line(line);
  }

  /** Resolves once each service passed its health check. */
  async healthy(): Promise<void> {
    await Promise.all(checked.map((service) => this.happened(healthyLine(`${stackName}_${service}`))));
  }

  /** What a service logged, in all its containers. */
  async logs(service: string): Promise<string> {
    await using child = await this.#parts.docker.follow(["service", "logs", "--raw", `${stackName}_${service}`]);
    await child.exited;
    return child.output();
  }

  /** Messages that RabbitMQ holds, in all its queues together, once there are none or it gave up to wait for that. */
  async brokerDepthAtRest(): Promise<number> {
    const giveUpAt = performance.now() + emptyMsMax;
    for (;;) {
      const depth = await this.#brokerDepth();
      if (depth === 0 || performance.now() > giveUpAt) return depth;
      await delay(lookAgainMs);
    }
  }

  /** Takes the stack down as its users do, and waits for its containers to end in order: their exit codes. */
  async takeDown(): Promise<readonly number[]> {
    const { docker } = this.#parts;
    const before = this.events.length;
    const running = (await docker.run(["ps", "--quiet", "--no-trunc"])).split("\n");
    await docker.run(["stack", "rm", stackName]);
    await Promise.all(running.map((container) => this.happened(endedLine(container))));
    return this.events.slice(before).flatMap((event) => (event.kind === "ended" ? [event.exitCode] : []));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.resources.disposeAsync();
  }

  async #brokerDepth(): Promise<number> {
    const { docker } = this.#parts;
    const name = `com.docker.swarm.service.name=${stackName}_rabbitmq`;
    const container = await docker.run(["ps", "--quiet", "--filter", `label=${name}`]);
    const listed = await docker.run(["exec", container, "rabbitmqctl", "--silent", "list_queues", "messages"]);
    return listed.split("\n").reduce((sum, messages) => sum + Number(messages), 0);
  }
}

async function deploy(docker: Docker, folder: string, target: Target): Promise<void> {
  const secrets = Object.entries(stackSecrets(randomBytes(24).toString("hex")));
  for (const [name, secret] of secrets) await docker.run(["secret", "create", name, "-"], { input: secret });
  const configFile = join(folder, "sluice.config.ts");
  await writeFile(configFile, configText(target.url));
  const env = stackEnvironment({
    nodeName: await docker.run(["node", "inspect", "self", "--format", "{{.Description.Hostname}}"]),
    socket: docker.socket,
    socketGroup: (await stat(docker.socket)).gid,
    configFile,
  });
  await docker.run(["stack", "deploy", "--compose-file", stackFile, stackName], { env });
}

async function leave(docker: Docker): Promise<void> {
  await docker.run(["swarm", "leave", "--force"]);
}
