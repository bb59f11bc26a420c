// PostgreSQL, RabbitMQ and Redis of a whole run. It owns them: what a scenario has killed is started again where it was.
import {
  carriersUnderTest,
  folderForRabbitmq,
  lastingPort,
  startPostgres,
  startRabbitmq,
  startRedis,
  temporaryFolder,
} from "@sluice/testing";
import type { CarrierChoice, Exit, Postgres, Rabbitmq, Redis } from "@sluice/testing";

export interface Running extends AsyncDisposable {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  output(): string;
  kill(signal: NodeJS.Signals): boolean;
}

export interface Place {
  readonly folder: string;
  readonly port: number;
}

export class Server<Kind extends Running> implements AsyncDisposable {
  readonly #place: Place;
  readonly #start: (place: Place) => Promise<Kind>;
  #running: Kind | undefined;

  constructor(place: Place, start: (place: Place) => Promise<Kind>) {
    this.#place = place;
    this.#start = start;
  }

  /** The one that runs. Throws when none does. */
  get now(): Kind {
    if (this.#running === undefined) throw new Error("this server does not run now");
    return this.#running;
  }

  /** Starts it, on the folder and the port that it had, unless it runs. */
  async up(): Promise<Kind> {
    this.#running ??= await this.#start(this.#place);
    return this.#running;
  }

  /** SIGKILL; resolves, with what it was, once nothing of it runs any more. */
  async kill(): Promise<Kind> {
    const killed = this.now;
    this.#running = undefined;
    killed.kill("SIGKILL");
    await killed.exited;
    await killed[Symbol.asyncDispose]();
    return killed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running?.[Symbol.asyncDispose]();
  }
}

interface Parts {
  readonly postgres: Server<Postgres>;
  readonly rabbitmq: Server<Rabbitmq>;
  readonly redis: Server<Redis>;
}

export class Servers implements AsyncDisposable {
  readonly postgres: Server<Postgres>;
  readonly rabbitmq: Server<Rabbitmq>;
  readonly redis: Server<Redis>;
  /** Whether there is a RabbitMQ and a Redis. One that there is not is never started. */
  readonly has: CarrierChoice;
  /** Of a database and of the queues of one stage: no other stage of the run has it. */
  readonly newName: () => string;
  readonly #resources: AsyncDisposableStack;

  /** Starts none yet. */
  static async open(has: CarrierChoice = carriersUnderTest()): Promise<Servers> {
    await using resources = new AsyncDisposableStack();
    const folder = async (): Promise<string> => resources.use(await temporaryFolder()).path;
    const ofPostgres = { folder: await folder(), port: await lastingPort() };
    const ofRabbitmq = { folder: await folderForRabbitmq(resources), port: await lastingPort() };
    const ofRedis = { folder: await folder(), port: await lastingPort() };
    const parts: Parts = {
      postgres: resources.use(new Server(ofPostgres, startPostgres)),
      rabbitmq: resources.use(new Server(ofRabbitmq, startRabbitmq)),
      redis: resources.use(new Server(ofRedis, startRedis)),
    };
    let names = 0;
    return new Servers(parts, { has, newName: () => `faults-${(names += 1)}`, resources: resources.move() });
  }

  private constructor(
    { postgres, rabbitmq, redis }: Parts,
    {
      has,
      newName,
      resources = new AsyncDisposableStack(),
    }: Pick<Servers, "has" | "newName"> & {
      readonly resources?: AsyncDisposableStack;
    },
  ) {
    this.postgres = postgres;
    this.rabbitmq = rabbitmq;
    this.redis = redis;
    this.has = has;
    this.newName = newName;
    this.#resources = resources;
  }

  /** The same ones, but for a server that a scenario has of its own, and that it ends itself. */
  with(own: Partial<Parts>): Servers {
    const { postgres, rabbitmq, redis } = this;
    return new Servers({ postgres, rabbitmq, redis, ...own }, this);
  }

  /** Starts those that do not run. */
  async up(): Promise<void> {
    const { has } = this;
    await Promise.all([this.postgres.up(), has.rabbitmq && this.rabbitmq.up(), has.redis && this.redis.up()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}
