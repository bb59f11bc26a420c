// Everything a cluster engine is made of, wired up: which connection serves what, and what is closed when.
import { resultOf, type NewRequest } from "../../core/request.ts";
import { SeqSource } from "../../core/request-id.ts";
import type { SluiceError } from "../../core/errors.ts";
import { systemClock } from "../../core/clock.ts";
import type { Carriers as CarrierNames } from "../../engine/engine.ts";
import { Accepter } from "./ledger/accept.ts";
import { BacklogReader } from "./ledger/backlog.ts";
import type { Carrier } from "./carriers/carrier.ts";
import { PostgresCarrier } from "./carriers/postgres.ts";
import { Broker } from "./carriers/rabbitmq/broker.ts";
import { RabbitmqCarrier } from "./carriers/rabbitmq/carrier.ts";
import { Cache } from "./carriers/cache.ts";
import { again, Connection, steady } from "./ledger/connection/database.ts";
import { Deliverer } from "./ledger/deliver.ts";
import { Lane, type Entry } from "./ledger/connection/lane.ts";
import { Leader } from "./leader/leader.ts";
import type { OperateOptions } from "./ledger/operate.ts";
import { LedgerNotices } from "./carriers/ledger-notices.ts";
import { LedgerShare } from "./carriers/ledger-share.ts";
import { LedgerTokens } from "./carriers/ledger-tokens.ts";
import type { Notice, Notices, NoticesOptions } from "./carriers/notices.ts";
import { RedisNotices } from "./carriers/redis-notices.ts";
import { RedisTokens } from "./carriers/redis-tokens.ts";
import { carriersOf, type ClusterOptions } from "./options.ts";
import { Outages } from "./outages.ts";
import { Outbox } from "./ledger/outbox.ts";
import { Primary } from "./ledger/connection/primary.ts";
import { QueueNumbers } from "./ledger/queue-numbers.ts";
import { readStates } from "./ledger/read.ts";
import { commitRetries, type RetryCall } from "./ledger/retry.ts";
import { GroupRoom } from "./ledger/group-room.ts";
import { Room } from "./ledger/room.ts";
import { Session, type Carriers } from "./members/session.ts";
import { commitOutcomes, type SettleCall } from "./ledger/settle.ts";
import { SharedRate } from "./carriers/shared-rate.ts";
import { StoreClock } from "./ledger/connection/store-clock.ts";
import { Traffic } from "./ledger/traffic.ts";
import { tokenConnection } from "./ledger/connection/token-connection.ts";
import { cancelBackend, ConnectionPool } from "./ledger/transact.ts";
import { LedgerWatchers } from "./ledger/watchers.ts";

export interface Parts {
  readonly carrierNames: CarrierNames;
  readonly clock: StoreClock;
  readonly queues: QueueNumbers;
  readonly outages: Outages;
  readonly session: Session;
  /** Undefined without RabbitMQ. */
  readonly broker: Broker | undefined;
  /** Those that hints come by. */
  readonly carriers: readonly Carrier[];
  /** Undefined without Redis. */
  readonly cache: Cache | undefined;
  readonly notices: Notices;
  readonly sharedRate: SharedRate;
  readonly outbox: Outbox;
  readonly leader: Leader;
  readonly deliverer: Deliverer;
  readonly watchers: LedgerWatchers;
  readonly traffic: Traffic;
  readonly backlogReader: BacklogReader;
  /** For queries. */
  readonly reading: Connection;
  readonly accepting: Lane<readonly NewRequest[]>;
  readonly settling: Lane<SettleCall | RetryCall>;
  readonly operating: Lane<() => Promise<unknown>>;
  readonly operate: OperateOptions;
  readonly auditing: Lane<() => Promise<unknown>>;
  readonly auditConnection: Connection;
  readonly transactions: ConnectionPool;
  readonly member: () => number;
  readonly seqs: SeqSource;
  /** Takes note of a failure that speaks of the ledger. */
  heed(error: SluiceError): void;
  dispose(): Promise<void>;
}

const hourMs = 3_600_000;
const groupMax = 1_000;
const groupBytesMax = 8 * 1024 * 1024;
const lookEveryMs = 1_000;
/** What RabbitMQ has not confirmed by then workers take from the outbox. */
const unconfirmedMs = 2_000;

export function partsOf(options: ClusterOptions): Parts {
  const { servers, name, log, onCommit } = options;
  const { databaseUrl, amqpUrl, redisUrl, prefix } = servers;
  const { beatMs = 1_000, leaseMs = 15_000 } = options;
  const primary = new Primary(databaseUrl);
  const needsStandby = options.durability === "standby";
  const clock = new StoreClock(options.clock);
  const queues = new QueueNumbers();
  const outages = new Outages(log);
  const traffic = new Traffic(options.clock ?? systemClock);
  const connect = (use: string, settings: Readonly<Record<string, string>> = {}): Connection =>
    new Connection({ databaseUrl, primary, name: `sluice ${use}, ${name}`, settings });
  const lanes = {
    accepting: connect("accept", steady),
    claiming: tokenConnection(
      // Only unlogged rows are written there.
      { databaseUrl, primary, name: `sluice claim, ${name}`, settings: { ...steady, synchronous_commit: "off" } },
      () => deliverer.lookForUnknown(),
    ),
    carrying: connect("hints", steady),
    settling: connect("settle", steady),
    reading: connect("read", { jit: "off" }),
    operating: tokenConnection({ databaseUrl, primary, name: `sluice operate, ${name}`, settings: { jit: "off" } }),
    auditing: connect("audit", { jit: "off" }), // for as long as an audit takes: nothing else is to wait for it
    sharing: connect("share", steady), // never connected with Redis
  };
  const broker = amqpUrl === undefined ? undefined : new Broker({ url: amqpUrl, name, prefix, outages, log });
  const cache = redisUrl === undefined ? undefined : new Cache({ url: redisUrl, prefix, outages, log });
  const share = new LedgerShare({ connection: lanes.sharing, log });
  const carriers: Carriers = { rabbitmq: broker !== undefined, redis: cache !== undefined };
  const session = new Session({
    databaseUrl,
    primary,
    name,
    carriers,
    beatMs,
    needsStandby,
    clock,
    outages,
    log,
    onBeat: async (connection) => {
      await queues.read(connection);
      await traffic.read(connection);
      deliverer.serve(); // a pause may have ended
    },
  });
  const member = (): number => session.member;
  const hintIdsMax = (queue: string): number => traffic.hintIdsMax(queue);
  const postgres = new PostgresCarrier({
    connection: lanes.carrying,
    queues,
    member,
    hintIdsMax,
    ageMsOf: (queue) => (broker?.isUp === true && goesByRabbitmq(queue) ? unconfirmedMs : 0),
    onUnavailable: (error) => heed(error),
    log,
  });
  const rabbitmq = broker && new RabbitmqCarrier({ broker, queues, hintIdsMax });
  /** As soon as each worker of the queue takes from it. */
  const goesByRabbitmq = (queue: string): boolean => session.membersBy("rabbitmq", queue).lacking === 0;
  const outbox = new Outbox({
    connection: lanes.settling,
    carrierOf: (no) => (rabbitmq !== undefined && goesByRabbitmq(queues.nameOf(no) ?? "") ? rabbitmq : postgres),
  });
  const room = new Room(lanes.accepting, options.queues);
  const seqs = new SeqSource(-1);
  const groupRoom = new GroupRoom(lanes.accepting, options.queues);
  const accepting = { connection: lanes.accepting, queues, room, groupRoom, outbox, seqs, clock, member, needsStandby };
  const accepter = new Accepter(accepting);
  const heed = (error: SluiceError): void => {
    if (error.code === "store-unavailable" || error.code === "disk-full") outages.begin(error.code, error.message);
  };
  const deliverer = new Deliverer({
    connection: lanes.claiming,
    clock,
    member,
    isPaused: (queue) => queues.isPaused(queue),
    hasLines: (queue) => queues.hasLines(queues.find(queue) ?? 0),
    onUnavailable: heed,
    log,
  });
  const leader = new Leader({
    session,
    databaseUrl,
    primary,
    broker,
    outbox,
    queues,
    takersOf: (queue) => session.membersBy("rabbitmq", queue),
    clock,
    crashesMax: options.crashesMax ?? 5,
    retentionMs: options.retentionMs ?? 7 * 24 * hourMs,
    leaseMs,
    beatMs,
    onLapsed: (ids) => {
      const changes = ids.map((id): Notice => ({ id, change: { kind: "state", state: "dead", at: clock.now() } }));
      for (const { id, change } of changes) watchers.tell(id, change);
      notices.publish(changes);
    },
    log,
  });
  const onQueues = (): void => {
    // Should it fail, the beat reads them too.
    queues.read(lanes.reading).then(
      () => deliverer.serve(),
      () => undefined,
    );
  };
  const watchers = new LedgerWatchers({
    readStates: (ids) => readStates(lanes.reading, ids, clock.now()),
    now: () => clock.now(),
    lookEveryMs,
  });
  const telling: NoticesOptions = {
    origin: `${name} ${performance.timeOrigin}`,
    onChange: (id, change) => watchers.tell(id, change),
  };
  const notices: Notices =
    cache === undefined
      ? new LedgerNotices({ ...telling, share, isWatched: () => !watchers.isEmpty })
      : new RedisNotices({ ...telling, cache, onQueues });
  return {
    carrierNames: carriersOf(servers),
    clock,
    queues,
    outages,
    session,
    broker,
    carriers: rabbitmq === undefined ? [postgres] : [postgres, rabbitmq],
    cache,
    notices,
    sharedRate: new SharedRate({
      tokens:
        cache === undefined ? new LedgerTokens({ share, noOf: (queue) => queues.find(queue) }) : new RedisTokens(cache),
      workersOf: (queue) => ({
        own: session.roster.of(queue)?.workers ?? 0,
        all: session.attendanceOf(queue).workers,
      }),
      isAlike: (queue) => session.carriersOf(queue).every(({ redis }) => redis === carriers.redis),
      clock: systemClock,
    }),
    outbox,
    leader,
    deliverer,
    watchers,
    traffic,
    backlogReader: new BacklogReader(),
    reading: lanes.reading,
    accepting: new Lane({
      commit: async (entries) => {
        await accepter.commit(entries);
        outages.end("disk-full");
      },
      onCommitted: onCommit && ((calls, durationMs) => onCommit({ kind: "accept", calls, durationMs })),
      callsMax: groupMax,
      bytesMax: groupBytesMax,
      bytesOf: (call) => call.reduce((sum, { body }) => sum + body.byteLength, 0),
    }),
    settling: new Lane({
      commit: async (entries) => {
        await commitSettling(entries, { connection: lanes.settling, clock, member, outbox });
        outages.end("disk-full"); // in a worker nothing is accepted that could tell
      },
      onCommitted: onCommit && ((calls, durationMs) => onCommit({ kind: "settle", calls, durationMs })),
      callsMax: groupMax,
      bytesMax: groupBytesMax,
      bytesOf: resultBytesOf,
    }),
    operating: new Lane({ commit: oneByOne, callsMax: 1 }),
    operate: { connection: lanes.operating, queues, outbox, clock, member },
    auditing: new Lane({ commit: oneByOne, callsMax: 1 }),
    auditConnection: lanes.auditing,
    transactions: new ConnectionPool(
      () =>
        new Connection({
          databaseUrl,
          primary,
          name: `sluice transaction, ${name}`,
          cancel: (backend) => cancelBackend(lanes.reading, backend),
        }),
    ),
    member,
    seqs,
    heed,
    async dispose() {
      await Promise.all(this.carriers.map((carrier) => carrier[Symbol.asyncDispose]()));
      await notices[Symbol.asyncDispose]();
      await cache?.[Symbol.asyncDispose]();
      await this.transactions[Symbol.asyncDispose]();
      await Promise.all(Object.values(lanes).map((lane) => lane[Symbol.asyncDispose]()));
    },
  };
}

type SettlingEntry = Entry<SettleCall | RetryCall>;

async function commitSettling(
  entries: readonly SettlingEntry[],
  options: { connection: Connection; clock: StoreClock; member: () => number; outbox: Outbox },
): Promise<void> {
  const settles = entries.filter((entry): entry is Entry<SettleCall> => entry.call.kind === "settle");
  const retries = entries.filter((entry): entry is Entry<RetryCall> => entry.call.kind === "retry");
  if (settles.length > 0) await commitOutcomes(settles, options);
  if (retries.length > 0) await commitRetries(retries, options);
}

/** Each has its connection to itself. */
async function oneByOne(entries: readonly Entry<() => Promise<unknown>>[]): Promise<void> {
  for (const entry of entries) entry.answer(await again(entry.call));
}

function resultBytesOf(call: SettleCall | RetryCall): number {
  return call.kind === "settle" ? (resultOf(call.outcome)?.bytes.byteLength ?? 0) : 0;
}
