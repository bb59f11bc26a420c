// PostgreSQL, and the servers that a cluster can do without. SLUICE_TEST_CARRIERS names those that a run of the tests has:
// postgres (neither), rabbitmq, redis, or both, which it is unless set.
import { startPostgres, type Postgres } from "./postgres.ts";
import { startRabbitmq, type Rabbitmq } from "./rabbitmq.ts";
import { startRedis, type Redis } from "./redis.ts";

export interface CarrierChoice {
  readonly rabbitmq: boolean;
  readonly redis: boolean;
}

const choices: Readonly<Record<string, CarrierChoice>> = {
  postgres: { rabbitmq: false, redis: false },
  rabbitmq: { rabbitmq: true, redis: false },
  redis: { rabbitmq: false, redis: true },
  both: { rabbitmq: true, redis: true },
};

/** Throws for a name that is none: a run on other servers than those that were meant proves nothing. */
export function carriersUnderTest(): CarrierChoice {
  const name = process.env["SLUICE_TEST_CARRIERS"] || "both";
  const choice = Object.hasOwn(choices, name) ? choices[name] : undefined;
  if (choice === undefined)
    throw new Error(`SLUICE_TEST_CARRIERS must be one of ${Object.keys(choices).join(", ")}, got ${name}`);
  return choice;
}

export interface ClusterServers extends AsyncDisposable {
  readonly postgres: Postgres;
  readonly rabbitmq: Rabbitmq | undefined;
  readonly redis: Redis | undefined;
  /** DATABASE_URL, AMQP_URL and REDIS_URL, as far as there is such a server. */
  readonly env: Readonly<Record<string, string>>;
}

/** Those of SLUICE_TEST_CARRIERS unless given. Disposing stops them. */
export async function startClusterServers(choice: CarrierChoice = carriersUnderTest()): Promise<ClusterServers> {
  await using resources = new AsyncDisposableStack();
  const use = async <Server extends AsyncDisposable>(starting: Promise<Server>): Promise<Server> =>
    resources.use(await starting);
  const [postgres, rabbitmq, redis] = await Promise.all([
    use(startPostgres()),
    choice.rabbitmq ? use(startRabbitmq()) : undefined,
    choice.redis ? use(startRedis()) : undefined,
  ]);
  const owned = resources.move();
  return {
    postgres,
    rabbitmq,
    redis,
    env: {
      DATABASE_URL: postgres.url,
      ...(rabbitmq && { AMQP_URL: rabbitmq.url }),
      ...(redis && { REDIS_URL: redis.url }),
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
