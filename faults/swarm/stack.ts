// What deploy/swarm/stack.yaml needs to run: images, the files and secrets that deploy/README.md has people make, and a
// configuration that scales within a minute instead of within a day.
import { images } from "./image-names.ts";

export const stackName = "sluice";
/** Where the stack's gateway listens. */
export const gatewayUrl = "http://127.0.0.1:8080";
export const bounds = { min: 1, max: 3 } as const;

export interface StackPlace {
  readonly nodeName: string;
  readonly socket: string;
  /** The number of the group that owns the socket. */
  readonly socketGroup: number;
  readonly configFile: string;
}

export function stackEnvironment(place: StackPlace): Readonly<Record<string, string>> {
  return {
    SLUICE_NODE: place.nodeName,
    SLUICE_STACK: stackName,
    SLUICE_IMAGE: images.sluice,
    SLUICE_CONFIG: place.configFile,
    DOCKER_SOCKET: place.socket,
    DOCKER_GROUP: String(place.socketGroup),
    POSTGRES_IMAGE: images.servers,
    RABBITMQ_IMAGE: images.servers,
    REDIS_IMAGE: images.servers,
  };
}

/** By their names in the swarm. */
export function stackSecrets(password: string): Readonly<Record<string, string>> {
  return {
    "sluice-postgres-password": password,
    "sluice-rabbitmq-conf": `default_user = sluice\ndefault_pass = ${password}\n`,
    "sluice-redis-conf": `requirepass ${password}\n`,
    "sluice-database-url": `postgres://sluice:${password}@127.0.0.1:5432/sluice`,
    "sluice-amqp-url": `amqp://sluice:${password}@127.0.0.1:5672`,
    "sluice-redis-url": `redis://:${password}@127.0.0.1:6379`,
  };
}

/** For a B that takes 100 ms, one worker does 80 in a second: a burst of 6,000 takes it 75 s, and the wait allows 20. */
export function configText(target: string): string {
  return `import { defineConfig } from "sluice";

export default defineConfig({
  queues: {
    orders: {
      target: ${JSON.stringify(target)},
      timeout: "10s",
      concurrency: 8,
      scaling: { min: ${bounds.min}, max: ${bounds.max}, maxWait: "20s", hold: "10s" },
    },
  },
});
`;
}
