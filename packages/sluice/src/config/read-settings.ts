// What each command is to do: flags and environment before the file before defaults.
import { join } from "node:path";
import { SluiceError } from "../core/errors.ts";
import { hostName } from "../core/foreign-page.ts";
import { readSetting, wrong } from "../core/setting.ts";
import { servedQueues } from "./settings.ts";
import type { QueueConfig, SluiceConfig, TargetConfig } from "./config.ts";
import type { Overrides } from "./overrides.ts";
import type {
  AutoscalerSettings,
  CallingBack,
  ClusterSettings,
  GatewaySettings,
  IntakeSettings,
  KeySource,
  MemberSettings,
  QueueSettings,
  SpoolSettings,
  UpSettings,
  WorkerSettings,
} from "./settings.ts";
import { readCallbackAddresses, readCallbackQueue, readCallbackSecrets } from "./read-callbacks.ts";
import { readQueue, workedQueue, type QueuePlace } from "./read-queue.ts";
import { guarded } from "./read-descriptor.ts";
import { readFront } from "./read-front.ts";
import { readSchedules } from "./read-schedules.ts";
import { readServers } from "./read-servers.ts";
import { readHeaderLines, readTargets } from "./read-target.ts";
import { fileSettings, queueSettings, scalingSettings, spoolSettings } from "./declared-settings.ts";
import { assertObject, readText, readTexts } from "./read-value.ts";
import { readSecret, type Environment } from "./secret.ts";

const fileFields = [
  "queues",
  "data",
  "host",
  "port",
  "adminPort",
  "adminHost",
  "tls",
  "keys",
  "hosts",
  "activityLog",
  "cors",
  "retention",
  "bodyMax",
  "diskFreeMin",
  "linger",
  "grace",
  "schedules",
  "callbacks",
  "targets",
  "durability",
  "front",
  "spool",
  "cluster",
];

const spoolFields = ["folder", "max"];
const tlsFields = ["cert", "key"];

/** What was given. Errors of every reading: `bad-config`, naming the setting, the rule and the value found. */
export interface Sources {
  readonly file: SluiceConfig | undefined;
  readonly overrides: Overrides;
  readonly env: Environment;
}

export function readUp(sources: Sources): UpSettings {
  const example = sources.overrides.front === undefined ? "--queue NAME --target URL" : "--target URL with --front";
  const { queues, callbacks } = someQueues(sources, { engine: "embedded", example });
  if (readDurability(sources) !== undefined)
    throw wrong("durability", "needs the cluster engine; the embedded engine has no standby", "standby");
  const spool = readSpool(sources)?.folder ?? (sources.env["SLUICE_SPOOL_FOLDER"] || undefined);
  if (spool !== undefined)
    throw wrong("spool", "goes with sluice gateway; sluice up has its store on this disk already", spool);
  return {
    ...intakeOf(sources, queues),
    data: dataFolder(sources),
    isWithoutKeys: sources.overrides.withoutKeys === true,
    retentionMs: readField("retention", sources),
    diskFreeMin: readField("diskFreeMin", sources),
    graceMs: readField("grace", sources),
    queues: queues.map(workedQueue),
    callbacks,
  };
}

export function readGateway(sources: Sources): GatewaySettings {
  const { queues, callbacks } = someQueues(sources, { engine: "cluster", example: "--queue NAME" });
  return { ...intakeOf(sources, queues), ...memberOf(sources), spool: readSpool(sources), queues, callbacks };
}

export function readWorker(sources: Sources): WorkerSettings {
  const { queues, callbacks } = someQueues(sources, { engine: "cluster", example: "--queue NAME --target URL" });
  const [keys, graceMs] = [readKeySource(sources), readField("grace", sources)];
  return { ...memberOf(sources), keys, graceMs, queues: queues.map(workedQueue), callbacks };
}

/** What runs the requests is known to the workers: here a queue's name is enough. */
export function readAutoscaler(sources: Sources): AutoscalerSettings {
  const { queues, callbacks } = someQueues(sources, { engine: "cluster", example: "--queue NAME" });
  const [keys, graceMs] = [readKeySource(sources), readField("grace", sources)];
  return { ...memberOf(sources), keys, graceMs, queues, callbacks };
}

/** For the commands that look after a cluster's servers; there may be no queue. */
export function readCluster(sources: Sources): ClusterSettings {
  const queues = servedQueues(queuesOf(sources, "cluster"));
  return { servers: serversOf(sources), queues: queues.map(({ name }) => name) };
}

/** The file of the API keys, whether it exists or not: for the command that writes it. */
export function readKeysPlace(sources: Sources): string {
  const keys = readKeySource(sources);
  if (keys.kind === "file") return keys.file;
  const rule = `the API keys are in ${keysVariable}: change its value and start the gateway again, or name a file with --keys`;
  throw new SluiceError("bad-config", rule);
}

const keysVariable = "SLUICE_KEYS";

/** A flag goes before the environment; the flag's own variable is SLUICE_KEYS_FILE. */
function readKeySource({ file, overrides, env }: Sources): KeySource {
  const text = env[keysVariable] || undefined;
  const fileVariable = `${keysVariable}_FILE`;
  if (text !== undefined && env[fileVariable])
    throw new SluiceError("bad-config", `${keysVariable} and ${fileVariable} are both set: set one of them`);
  if (text !== undefined && overrides.keys === undefined) return { kind: "text", text };
  const named = readText("keys", overrides.keys ?? file?.keys);
  const isNamed = named !== undefined;
  return { kind: "file", file: named ?? join(dataFolder({ file, overrides }), "keys.json"), isNamed };
}

function intakeOf(sources: Sources, queues: readonly QueueSettings[]): IntakeSettings {
  const { file, overrides, env } = sources;
  const bodyBytesMax = readField("bodyMax", sources);
  const host = readText("host", overrides.host ?? file?.host) ?? "127.0.0.1";
  return {
    host,
    admin: readAdmin(sources),
    tls: readTls(sources),
    keys: readKeySource(sources),
    hosts: readHosts(sources),
    activityLog: readText("activityLog", overrides.activityLog ?? file?.activityLog),
    cors: readCors(sources),
    port: readField("port", sources),
    bodyBytesMax,
    schedules: readSchedules(file?.schedules, { queues, bodyBytesMax }),
    front: readFront({ file: file?.front, overrides, env }, { queues, bodyBytesMax }),
    lingerMs: readField("linger", sources),
  };
}

export function dataFolder({ file, overrides }: Pick<Sources, "file" | "overrides">): string {
  return readText("data", overrides.data ?? file?.data) ?? "./data";
}

function memberOf(sources: Sources): Omit<MemberSettings, "callbacks"> {
  const retentionMs = readField("retention", sources);
  return { servers: serversOf(sources), durability: readDurability(sources), retentionMs };
}

function readSpool({ file, overrides }: Pick<Sources, "file" | "overrides">): SpoolSettings | undefined {
  if (file?.spool !== undefined) assertObject("spool", file.spool, spoolFields);
  const folder = readText("spool.folder", overrides.spool ?? file?.spool?.folder);
  const max: unknown = overrides.spoolMax ?? file?.spool?.max;
  if (folder === undefined && max !== undefined) throw wrong("spool.max", "goes with a folder: --spool FOLDER", max);
  if (folder === undefined && file?.spool !== undefined)
    throw new SluiceError("bad-config", "spool needs a folder: spool: { folder, max }");
  return folder === undefined ? undefined : { folder, bytesMax: readSetting("spool.max", spoolSettings.max, max) };
}

function readDurability({ file }: Sources): "standby" | undefined {
  const durability: unknown = file?.durability;
  if (durability !== undefined && durability !== "standby")
    throw wrong("durability", 'is "standby" or not set', durability);
  return durability;
}

function serversOf({ file, overrides, env }: Sources): ClusterSettings["servers"] {
  return readServers({ file: file?.cluster, overrides, env });
}

function readField<Field extends keyof typeof fileSettings>(field: Field, { file, overrides }: Sources) {
  return readSetting(field, fileSettings[field], overrides[field] ?? file?.[field]);
}

interface QueueNeeds {
  readonly engine: QueuePlace["engine"];
  /** The flags that name a queue. */
  readonly example: string;
}

interface Queues extends CallingBack {
  readonly queues: readonly QueueSettings[];
}

function someQueues(sources: Sources, { engine, example }: QueueNeeds): Queues {
  const found = queuesOf(sources, engine);
  if (found.queues.length > 0) return found;
  throw new SluiceError("bad-config", `no queue: give ${example}, or a sluice.config.ts with queues`);
}

function queuesOf({ file, overrides, env }: Sources, engine: QueuePlace["engine"]): Queues {
  if (file !== undefined) assertObject("the configuration", file, fileFields);
  const targets = readTargets(file?.targets, overrides);
  if (file?.queues !== undefined) assertQueues(file.queues);
  const given = withScalingFlags(withFlags(file?.queues ?? {}, { overrides, env }), overrides);
  const sources = { file: file?.callbacks, env };
  const callbackSecrets = readCallbackSecrets(sources);
  const callbackAddresses = readCallbackAddresses(sources, targets);
  const place = { engine, targets, env, callbackAddresses, callbackSecrets };
  const queues = Object.entries(given).map(([name, queue]) => readQueue({ name, ...place }, queue));
  const callbackDefaults = { secretsForAll: callbackSecrets, addresses: callbackAddresses };
  return { queues, callbacks: readCallbackQueue(sources, queues, callbackDefaults) };
}

function assertQueues(queues: unknown): void {
  const isObject = typeof queues === "object" && queues !== null && !Array.isArray(queues);
  if (!isObject) throw wrong("queues", "must be an object of queues by their names", queues);
  for (const [name, queue] of Object.entries(queues))
    if (typeof queue !== "object" || queue === null) throw wrong(`queues.${name}`, "must be an object", queue);
}

/** The file's queues, and the one that the flags add or change. */
function withFlags(
  queues: Readonly<Record<string, QueueConfig>>,
  { overrides, env }: Pick<Sources, "overrides" | "env">,
): Readonly<Record<string, QueueConfig>> {
  const { target, rate, concurrency, timeout, targetHeader, targetPath } = overrides;
  const queue = overrides.queue ?? (overrides.front !== undefined && target !== undefined ? frontQueue : undefined);
  if (queue === undefined) {
    const lone = Object.entries({
      target,
      rate,
      concurrency,
      timeout,
      "target-header": targetHeader,
      "target-path": targetPath,
    }).find(([, value]) => value !== undefined);
    if (lone !== undefined) throw wrong(`--${lone[0]}`, "goes with --queue NAME", lone[1]);
    return queues;
  }
  const changes = {
    ...guarded(`queues.${queue}.target`, () => targetFlags(queues[queue]?.target, { overrides, env })),
    ...(rate !== undefined && { rate }),
    ...(timeout !== undefined && { timeout }),
    ...(concurrency !== undefined && {
      concurrency:
        concurrency === "auto"
          ? ("auto" as const)
          : readSetting("--concurrency", queueSettings.concurrency, concurrency),
    }),
  };
  return { ...queues, [queue]: { ...queues[queue], ...changes } };
}

/** Where none is named: `--front 8081 --target URL`. */
const frontQueue = "front";
const targetHeadersVariable = "SLUICE_TARGET_HEADERS";

/** The target of the flags' queue: a header is a secret, and goes to no other queue's. */
function targetFlags(
  given: QueueConfig["target"],
  { overrides, env }: Pick<Sources, "overrides" | "env">,
): Pick<QueueConfig, "target"> {
  const { target: url, targetHeader = [], targetPath, front } = overrides;
  const own = typeof given === "string" ? { url: given } : given;
  const target = { ...own, ...(url !== undefined && { url }) };
  if (!isShapedTarget(target)) return {}; // it is refused where targets are read
  if (target.url === undefined) {
    const flag = targetHeader.length > 0 ? "--target-header" : targetPath === undefined ? undefined : "--target-path";
    if (flag === undefined) return {};
    throw new SluiceError(
      "bad-config",
      `${flag} goes with a target, and queue ${overrides.queue ?? frontQueue} has none`,
    );
  }
  const file =
    readSecret(targetHeadersVariable, env)
      ?.split(/\r?\n/)
      .filter((line) => line.trim() !== "") ?? [];
  const headers = {
    ...target.headers,
    ...readHeaderLines(targetHeadersVariable, file),
    ...readHeaderLines("--target-header", targetHeader),
  };
  // With a front and no word on it, B gets the calls that the senders made.
  const path = (targetPath as TargetConfig["path"]) ?? target.path ?? (front === undefined ? undefined : "append");
  if (path === "append" && target.url.includes("?")) {
    const rule = "a target with a query cannot have the paths of the front's senders appended: leave the query out";
    throw new SluiceError("bad-config", `--target: ${rule}, or say --target-path fixed`);
  }
  return { target: { ...target, url: target.url, headers, ...(path !== undefined && { path }) } };
}

/** Whether flags can be added to what a file says: anything may stand there. */
function isShapedTarget({ url, headers }: Partial<Record<keyof TargetConfig, unknown>>): boolean {
  const isText = url === undefined || typeof url === "string";
  return isText && (headers === undefined || (typeof headers === "object" && !Array.isArray(headers)));
}

/** The flags of the autoscaler go for every queue. */
function withScalingFlags(
  queues: Readonly<Record<string, QueueConfig>>,
  { min, max, maxWait, hold }: Overrides,
): Readonly<Record<string, QueueConfig>> {
  const changes = {
    ...(min !== undefined && { min: readSetting("--min", scalingSettings.min, min) }),
    ...(max !== undefined && { max: readSetting("--max", scalingSettings.max, max) }),
    ...(maxWait !== undefined && { maxWait }),
    ...(hold !== undefined && { hold }),
  };
  if (Object.keys(changes).length === 0) return queues;
  return Object.fromEntries(
    Object.entries(queues).map(([name, queue]) => [name, { ...queue, scaling: { ...queue.scaling, ...changes } }]),
  );
}

function readAdmin(sources: Sources): IntakeSettings["admin"] {
  const port = readField("adminPort", sources);
  const host = readText("adminHost", sources.overrides.adminHost ?? sources.file?.adminHost);
  if (port !== undefined) return { host: host ?? "127.0.0.1", port };
  if (host !== undefined) throw wrong("adminHost", "goes with adminPort", host);
  return undefined;
}

function readTls({ file, overrides }: Sources): IntakeSettings["tls"] {
  if (file?.tls !== undefined) assertObject("tls", file.tls, tlsFields);
  const cert = readText("tls.cert", overrides.tlsCert ?? file?.tls?.cert);
  const key = readText("tls.key", overrides.tlsKey ?? file?.tls?.key);
  if (cert === undefined && key === undefined) return undefined;
  if (cert !== undefined && key !== undefined) return { cert, key };
  const rule = "TLS needs a certificate and its key: tls: { cert, key }, or --tls-cert and --tls-key";
  throw new SluiceError("bad-config", rule);
}

function readHosts({ file, overrides }: Sources): readonly string[] {
  return readTexts("hosts", listed(overrides.hosts) ?? file?.hosts ?? []).map((text) => {
    const name = hostName(text);
    if (name === undefined) throw wrong("hosts", 'takes names as "sluice.example", without a port', text);
    return name;
  });
}

function listed(text: string | undefined): readonly string[] | undefined {
  return text?.split(",").map((part) => part.trim());
}

function readCors({ file, overrides }: Sources): readonly string[] {
  const origins = readTexts("cors", listed(overrides.cors) ?? file?.cors ?? []);
  for (const origin of origins)
    if (origin !== "*" && URL.parse(origin)?.origin !== origin)
      throw wrong("cors", 'takes origins as "https://app.example", without a path, or "*"', origin);
  return origins;
}
