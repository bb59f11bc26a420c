// Where a scenario of the cluster plays: two gateways and three workers on a database and queues of their own, service B
// and the client's ledger. It owns them all, and the processes end with it; the servers are the run's.
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "amqplib";
import { Client } from "pg";
import { nodesOf } from "../../packages/sluice/src/core/server-url.ts";
import { lastingPort, sluiceCommand, startChild, startProxy, temporaryFolder } from "@sluice/testing";
import type { Proxy } from "@sluice/testing";
import type { Figures } from "../checker.ts";
import { conclude, figuresOf } from "../conclusion.ts";
import { Ledger } from "../ledger.ts";
import { readLog, type LogLine, type LogName } from "../logs.ts";
import { sampleResults } from "../readings.ts";
import type { Sender, SendOptions } from "../sender.ts";
import { frontArgs, graceSeconds, isFront, ordersConfig, type FinishOptions } from "../stage.ts";
import { startTarget, type Behaviour, type Target, type TargetOptions } from "../target.ts";
import { Member, wrongEnds, type Role } from "./member.ts";
import type { Servers } from "./servers.ts";

export interface ClusterStageOptions extends Pick<TargetOptions, "mode" | "flakiness" | "door"> {
  readonly servers: Servers;
  readonly configFile?: string;
  /** SLUICE_CRASH_AT of each life that begins; undefined for one that is to go on. */
  readonly crashAt?: (role: Role) => string | undefined;
  /** Whether the ledger's lines stay in memory; they do unless given. */
  readonly isLedgerKept?: boolean | undefined;
  /** More environment of all. */
  readonly env?: Readonly<Record<string, string>>;
  /** More arguments of either role, for the life that begins. */
  readonly args?: () => readonly string[];
  /** How many workers there are from the start; three unless given. */
  readonly workers?: number;
  /** More arguments of `sluice worker`. */
  readonly workerArgs?: readonly string[];
  /** How many autoscalers there are, which start at once; none unless given. */
  readonly autoscalers?: number;
  /** Arguments of `sluice autoscale`. */
  readonly autoscalerArgs?: readonly string[];
  /** More environment of a worker, by its number from 1. Those that have it start first: the first of all leads. */
  readonly workerEnv?: Readonly<Record<number, Readonly<Record<string, string>>>>;
  /** Each gateway has a spool, in the stage's folder. */
  readonly isSpooling?: boolean;
  /** RabbitMQ is reached through a proxy, which can be cut. */
  readonly isBrokerProxied?: boolean;
  /** A folder for what each process logs. */
  readonly logFolder: string | undefined;
}

interface Parts {
  readonly options: ClusterStageOptions;
  readonly name: string;
  readonly folder: string;
  readonly databaseUrl: string;
  readonly proxy: Proxy | undefined;
  readonly target: Target;
  readonly ledger: Ledger;
  readonly ports: readonly number[];
  /** Of the gateways' fronts, if they have one. */
  readonly frontPorts: readonly number[];
}

/** Its output, and what it ended with; undefined when it began to serve. */
export interface Attempt {
  readonly code: number | null | undefined;
  readonly said: string;
}

const gatewayCount = 2;
const workerCount = 3;
/** Hints are acknowledged in batches, and RabbitMQ counts its queues every few seconds. */
const emptyMsMax = 30_000;
const lookAgainMs = 500;

export class ClusterStage implements AsyncDisposable {
  readonly gateways: Member[] = [];
  readonly workers: Member[] = [];
  readonly autoscalers: Member[] = [];
  readonly #parts: Parts;
  readonly #resources: AsyncDisposableStack;

  /** Resolves once all processes are ready. */
  static async open(options: ClusterStageOptions): Promise<ClusterStage> {
    const { servers, isBrokerProxied = false } = options;
    await servers.up();
    await using resources = new AsyncDisposableStack();
    const { path: folder } = resources.use(await temporaryFolder());
    const name = servers.newName();
    const databaseUrl = await servers.postgres.now.createDatabase(name);
    const proxy = isBrokerProxied ? resources.use(await startProxy({ port: servers.rabbitmq.now.port })) : undefined;
    const target = resources.use(await startTarget({ ...options, folder }));
    const ledger = resources.use(await Ledger.open(join(folder, "ledger.ndjson"), { isKept: options.isLedgerKept }));
    const portsFor = (count: number): Promise<number[]> =>
      Promise.all(Array.from({ length: count }, () => lastingPort()));
    const ports = await portsFor(gatewayCount);
    const frontPorts = await portsFor(isFront(options) ? gatewayCount : 0);
    const stage = new ClusterStage(
      { options, name, folder, databaseUrl, proxy, target, ledger, ports, frontPorts },
      resources.move(),
    );
    try {
      await stage.#start();
      return stage;
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(parts: Parts, resources: AsyncDisposableStack) {
    this.#parts = parts;
    this.#resources = resources;
  }

  get ledger(): Ledger {
    return this.#parts.ledger;
  }

  /** Of the gateways. */
  get urls(): [string, ...string[]] {
    const [first, ...others] = this.#parts.ports.map(urlOf);
    return [first as string, ...others];
  }

  /** Where the client sends. */
  get intakeUrls(): readonly string[] {
    const { ports, frontPorts } = this.#parts;
    return (frontPorts.length > 0 ? frontPorts : ports).map(urlOf);
  }

  /** Where B keeps its logs. */
  get folder(): string {
    return this.#parts.folder;
  }

  /** Of its database, and of its queues' prefix. */
  get name(): string {
    return this.#parts.name;
  }

  get databaseUrl(): string {
    return this.#parts.databaseUrl;
  }

  get brokerProxy(): Proxy {
    if (this.#parts.proxy === undefined) throw new Error("this stage reaches RabbitMQ without a proxy");
    return this.#parts.proxy;
  }

  /** RabbitMQ's queue of requests that nobody was given yet. */
  get freshLine(): string {
    return `${this.#parts.name}.orders.v1`;
  }

  get members(): readonly Member[] {
    return [...this.gateways, ...this.workers, ...this.autoscalers];
  }

  /** Processes killed with SIGKILL so far. */
  get kills(): number {
    return this.members.reduce((sum, { kills }) => sum + kills, 0);
  }

  /** Resolves to whether so many processes were killed within the time. */
  killsReach(count: number, msMax: number): Promise<boolean> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.kills >= count) resolve(true);
      };
      for (const member of this.members) member.onEnd(look);
      setTimeout(() => resolve(false), msMax).unref();
      look();
    });
  }

  behave(behaviour: Behaviour): Promise<void> {
    return this.#parts.target.behave(behaviour);
  }

  log(name: LogName): readonly LogLine[] {
    return [...readLog(this.#parts.folder, name)];
  }

  sampleResults(ids: readonly string[]): Promise<void> {
    return sampleResults(this.urls[0], ids, this.ledger);
  }

  /** Sends until it is stopped, resting a little, so that the load is steady. */
  load(
    sender: Sender,
    { url = this.intakeUrls, concurrency = 8, restMs = 60, pauseMs, isInTurn }: LoadOptions = {},
  ): Load {
    const stopping = new AbortController();
    const { signal } = stopping;
    const sending = sender.send({
      url,
      concurrency,
      signal,
      newMax: Number.POSITIVE_INFINITY,
      restMs,
      isInTurn,
      pauseMs,
    });
    const stop = (): Promise<void> => {
      stopping.abort();
      return sending;
    };
    return { stop, [Symbol.asyncDispose]: stop };
  }

  /** Runs a command that is to end by itself; it is killed as soon as it serves. */
  async attempt(command: Role | "migrate", env: Readonly<Record<string, string>> = {}): Promise<Attempt> {
    const args = command === "migrate" ? ["--config", this.#configFile] : this.#argsOf(command, "0");
    await using child = await startChild({
      command: process.execPath,
      args: [sluiceCommand, command, ...args],
      env: { ...this.#env, ...env },
    });
    const serves = child.line(/^Sluice /).then(
      () => true,
      () => false,
    );
    const code = (await serves) ? undefined : (await child.exited).code;
    return { code, said: child.output() };
  }

  /**
   * The end without faults: what has no receipt is sent again, every outcome is waited for and read back, no hint must be
   * left in RabbitMQ's queues, or without it in the outbox, and each process must end in order. The figures, and what else was wrong.
   */
  async finish(
    senders: readonly Sender[],
    { resultsMax, isLossMeant }: Omit<FinishOptions, "senders"> = {},
  ): Promise<{ readonly figures: Figures; readonly violations: string[] }> {
    await Promise.all(this.members.map(disarm));
    const { readings, violations } = await conclude({
      urls: this.urls,
      intakeUrls: this.intakeUrls,
      senders,
      resultsMax,
      isLossMeant,
    });
    const { has } = this.#parts.options.servers;
    const left = await (has.rabbitmq ? this.#whenEmpty() : this.#whenOutboxEmpty());
    if (left !== undefined) violations.push(left);
    await Promise.all(this.members.map((member) => member.stop()));
    violations.push(...this.members.flatMap(wrongEnds));
    const handedBack = has.rabbitmq && left === undefined ? await this.#handedBack() : undefined;
    if (handedBack !== undefined) violations.push(handedBack);
    return { figures: figuresOf(this.#parts.folder, { ledger: this.ledger, readings, senders }), violations };
  }

  /** Messages of the stage's queues, unacknowledged ones included. */
  async brokerDepth(): Promise<ReadonlyMap<string, number>> {
    const { name, options } = this.#parts;
    const listed = await options.servers.rabbitmq.now.ctl("list_queues", "--silent", "name", "messages");
    const rows = listed.split("\n").map((row) => row.split("\t"));
    return new Map(
      rows.flatMap(([queue = "", messages]) => (queue.startsWith(`${name}.`) ? [[queue, Number(messages)]] : [])),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member[Symbol.asyncDispose]()));
    await this.#resources.disposeAsync();
  }

  get #lines(): readonly string[] {
    return [this.freshLine, `${this.freshLine}.again`];
  }

  get #configFile(): string {
    return this.#parts.options.configFile ?? ordersConfig;
  }

  get #env(): Readonly<Record<string, string>> {
    const { options, name, folder, databaseUrl, proxy, target } = this.#parts;
    const { rabbitmq, redis, has } = options.servers;
    return {
      DATABASE_URL: databaseUrl,
      ...(has.rabbitmq && { AMQP_URL: through(rabbitmq.now.url, proxy) }),
      ...(has.redis && { REDIS_URL: redis.now.url }),
      SLUICE_PREFIX: name,
      FAULTS_TARGET: target.url,
      FAULTS_FOLDER: folder,
      ...options.env,
    };
  }

  #argsOf(role: Role, port: string): readonly string[] {
    const common = ["--config", this.#configFile, "--log-format", "json", ...(this.#parts.options.args?.() ?? [])];
    const { workerArgs = [], autoscalerArgs = [] } = this.#parts.options;
    const ofWorkers = [...common, "--grace", `${graceSeconds}s`];
    switch (role) {
      case "gateway":
        return [...common, "--port", port];
      case "worker":
        return [...ofWorkers, ...workerArgs];
      case "autoscale":
        return [...ofWorkers, ...autoscalerArgs];
      default:
        return role satisfies never;
    }
  }

  async #start(): Promise<void> {
    const { code, said } = await this.attempt("migrate");
    if (code !== 0) throw new Error(`sluice migrate ended with ${code}: ${said}`);
    const { workerEnv = {}, workers = workerCount, autoscalers = 0 } = this.#parts.options;
    const numbers = numbersTo(workers);
    const special = numbers.filter((number) => workerEnv[number] !== undefined);
    for (const number of special) await this.#startMember("worker", number);
    const others = numbers.filter((number) => !special.includes(number));
    await Promise.all([
      ...others.map((number) => this.#startMember("worker", number)),
      ...this.#parts.ports.map((_, index) => this.#startMember("gateway", index + 1)),
      ...numbersTo(autoscalers).map((number) => this.#startMember("autoscale", number)),
    ]);
  }

  async #startMember(role: Role, number: number): Promise<void> {
    const { options, name, ports, frontPorts } = this.#parts;
    const { crashAt, logFolder, workerEnv, isSpooling = false } = options;
    const spool = isSpooling ? ["--spool", join(this.folder, `spool-${number}`)] : [];
    const ofGateway = role === "gateway" ? [...frontArgs(frontPorts[number - 1]), ...spool] : [];
    const member = new Member({
      role,
      number,
      args: () => [...this.#argsOf(role, String(ports[number - 1])), ...ofGateway, "--wait-for-servers", "60s"],
      env: { ...this.#env, ...(role === "worker" && workerEnv?.[number]) },
      crashAt: () => crashAt?.(role),
      logFile: logFolder === undefined ? undefined : join(logFolder, `${name}-${role}-${number}.log`),
    });
    this.#membersOf(role).push(member);
    await member.ready();
  }

  #membersOf(role: Role): Member[] {
    switch (role) {
      case "gateway":
        return this.gateways;
      case "worker":
        return this.workers;
      case "autoscale":
        return this.autoscalers;
      default:
        return role satisfies never;
    }
  }

  /** What RabbitMQ was handed back from those who ended: at its count of a moment ago some may have been missing. */
  async #handedBack(): Promise<string | undefined> {
    const connection = await connect(this.#parts.options.servers.rabbitmq.now.url);
    const channel = await connection.createChannel();
    const counts = await Promise.all(this.#lines.map(async (line) => (await channel.checkQueue(line)).messageCount));
    await connection.close();
    return counts.some((count) => count > 0) ? `RabbitMQ was handed back ${counts.join(" and ")} hints` : undefined;
  }

  /** Undefined once there is no row in the outbox, else how many there are. */
  async #whenOutboxEmpty(): Promise<string | undefined> {
    const giveUpAt = performance.now() + emptyMsMax;
    for (;;) {
      const count = await outboxRows(this.#parts.databaseUrl);
      if (count === 0) return undefined;
      if (performance.now() > giveUpAt) return `the outbox holds ${count ?? "an unknown number of"} rows`;
      await delay(lookAgainMs);
    }
  }

  /** Undefined once RabbitMQ holds none of the stage's hints, else what it still holds. */
  async #whenEmpty(): Promise<string | undefined> {
    const giveUpAt = performance.now() + emptyMsMax;
    for (;;) {
      const depth = await this.brokerDepth();
      if (this.#lines.every((line) => depth.has(line)) && [...depth.values()].every((messages) => messages === 0))
        return undefined;
      if (performance.now() > giveUpAt)
        return `RabbitMQ still holds hints, or has not both queues: ${JSON.stringify([...depth])}`;
      await delay(lookAgainMs);
    }
  }
}

function urlOf(port: number): string {
  return `http://127.0.0.1:${port}`;
}

/** On the server that takes writes; undefined where none answers. */
async function outboxRows(databaseUrl: string): Promise<number | undefined> {
  for (const connectionString of nodesOf(databaseUrl)) {
    const client = new Client({ connectionString });
    client.on("error", () => {}); // what is under way rejects
    try {
      await client.connect();
      const { rows: standby } = await client.query("SELECT WHERE pg_is_in_recovery()");
      if (standby.length > 0) continue;
      const { rows } = await client.query<{ count: number }>("SELECT count(*)::int AS count FROM sluice.outbox");
      return rows[0]?.count;
    } catch {
      // It is out: another one may take writes.
    } finally {
      await client.end().catch(() => undefined);
    }
  }
  return undefined;
}

function through(url: string, proxy: Proxy | undefined): string {
  const changed = new URL(url);
  if (proxy !== undefined) changed.port = String(proxy.port);
  return changed.href;
}

function numbersTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

async function disarm(member: Member): Promise<void> {
  while (member.isArmed) await member.restart();
  await member.ready();
}

/** Where it sends, and how much at once; to all gateways unless given. */
type LoadOptions = Partial<Pick<SendOptions, "url" | "concurrency" | "restMs" | "pauseMs" | "isInTurn">>;

export interface Load extends AsyncDisposable {
  /** Resolves once nothing is under way any more. Twice is safe. */
  stop(): Promise<void>;
}
