export { type Authority, type CertificateFiles, makeAuthority } from "./certificate.ts";
export { type Child, type Exit, type StartChildOptions, startChild } from "./child.ts";
export { type Collector, type Export, startCollector } from "./collector.ts";
export { type CarrierChoice, type ClusterServers, carriersUnderTest, startClusterServers } from "./cluster-servers.ts";
export {
  Description,
  type DescribedOperation,
  type DescribedParameter,
  type GivenAnswer,
  type OpenApiDocument,
} from "./described-answers.ts";
export { type FakeClock, openFakeClock } from "./fake-clock.ts";
export { type FrontProxy, startHaproxy, startNginx } from "./front-proxy.ts";
export { freePort } from "./free-port.ts";
export { lastingPort } from "./lasting-port.ts";
export { giveToOrdinaryUser, runAsOrdinaryUser } from "./ordinary-user.ts";
export { type Pgbouncer, type StartPgbouncerOptions, startPgbouncer } from "./pgbouncer.ts";
export { type Machine, type Postgres, type StartPostgresOptions, postgresProgram, startPostgres } from "./postgres.ts";
export { type PostgresPair, type StartPostgresPairOptions, startPostgresPair } from "./postgres-pair.ts";
export {
  type Prometheus,
  type Sample,
  type StartPrometheusOptions,
  runPromtool,
  startPrometheus,
} from "./prometheus.ts";
export { type Proxy, type StartProxyOptions, startProxy } from "./proxy.ts";
export {
  type Rabbitmq,
  type RabbitmqRelease,
  type StartRabbitmqOptions,
  folderForRabbitmq,
  startRabbitmq,
} from "./rabbitmq.ts";
export { type RabbitmqCluster, startRabbitmqCluster } from "./rabbitmq-cluster.ts";
export { type RawRequest, type RawTarget, startRawTarget } from "./raw-target.ts";
export { type Redis, type StartRedisOptions, startRedis } from "./redis.ts";
export { type RedisSentinels, type StartRedisSentinelsOptions, startRedisSentinels } from "./redis-sentinels.ts";
export {
  type Sluice,
  type StartGatewayOptions,
  type StartRoleOptions,
  type StartSluiceOptions,
  sluiceCommand,
  startSluice,
  startSluiceGateway,
  startSluiceWorker,
} from "./sluice.ts";
export { type SystemProgram, findProgram } from "./system-program.ts";
export { type TemporaryFolder, temporaryFolder } from "./temporary-folder.ts";
