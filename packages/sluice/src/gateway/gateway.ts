// The gateway: accepts requests over HTTP and answers for their state and results. It owns the HTTP
// server, the answers it holds open, and nothing else: the engine belongs to whoever opened it.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Server as SecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { addGate } from "./access/gate.ts";
import { addActivityHook, addActivityRoute } from "./activity.ts";
import { addAcceptBatchRoute } from "./accept-batch.ts";
import { addAcceptRoute } from "./accept.ts";
import { addAdminRoutes } from "./admin.ts";
import { addGroupRoutes } from "./groups.ts";
import { Connections } from "./connections.ts";
import type { App, GatewayContext } from "./context.ts";
import { createContext, type GatewayOptions, type GatewayQueue } from "./create-context.ts";
import { addPageCheck } from "./cors.ts";
import { addDashboardRoutes } from "./dashboard.ts";
import { addEventsRoute } from "./events.ts";
import { openFront, type Front } from "./front/front.ts";
import type { FrontSettings } from "./front/settings.ts";
import { defaultGatewayLimits } from "./limits.ts";
import type { GatewayLimits } from "./limits.ts";
import { nameRoutes, timedResponses } from "./measure.ts";
import { addressesOf, isNoAddress, Listener } from "./listener.ts";
import { lineGauges } from "./line-gauges.ts";
import { addMetricsRoute } from "./metrics.ts";
import { addOpenApiRoute } from "./openapi/route.ts";
import { boundAnswers } from "./outgoing-answer.ts";
import { addOverviewRoute } from "./overview-events.ts";
import { addProbeRoutes } from "./probes.ts";
import { queueGauges } from "./queue-gauges.ts";
import { readinessGauges } from "./readiness-gauges.ts";
import { addAuditRoutes } from "./audit.ts";
import { addQueueRoutes } from "./queues.ts";
import { addReadRoutes } from "./read.ts";
import { addScalingRoute } from "./scaling.ts";
import { addScheduleRoute } from "./schedules.ts";
import { answerSocketError, createApp } from "./server.ts";
import { followCertificate, readCertificate, type TlsFiles } from "./tls.ts";
import { stopListening } from "./stop-listening.ts";
import { createListener } from "./transport.ts";
import { addParameterCheck } from "./unknown-parameters.ts";

export { defaultGatewayLimits };
export type { GatewayLimits, GatewayQueue };

export interface ListenOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

export interface Gateway extends AsyncDisposable {
  /** For tests in the same process. */
  readonly app: FastifyInstance;
  listen(options: ListenOptions): Promise<{ readonly url: string }>;
  /** Takes every call on a port of its own; from then on the other one knows no admin routes. */
  listenForAdmin(options: ListenOptions): Promise<{ readonly url: string }>;
  /** Opens the front, with the routes that these settings have. */
  listenForFront(settings: FrontSettings): Promise<{ readonly url: string }>;
  /**
   * The first step of shutdown: /readyz reports it, connections close after their answer, everything is still served. Resolves
   * after this time, or once `hurry` aborts.
   */
  linger(ms: number, hurry: AbortSignal): Promise<void>;
  /** The second: takes no more connections. What comes on those that are open is still served. */
  drain(): Promise<void>;
  /** The third: ends waits and event streams, finishes what is under way, closes. Closing twice is safe. */
  close(): Promise<void>;
}

/** Throws bad-config when a queue's schema is none, or the certificate cannot be used. */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const context = createContext(options);
  const { limits, keys, hosts = [], cors = [], tls, log, meter } = options;
  const certificate = tls && (await readCertificate(tls));
  const app = createApp({ limits, certificate, log, ServerResponse: timedResponses(meter) });
  nameRoutes(app, meter);
  addPageCheck(app, { keys, hosts, cors });
  addActivityHook(app, context);
  addGate(app, context);
  addParameterCheck(app);
  boundAnswers(app, context.outgoing);
  addOpenApiRoute(app, context);
  addAcceptRoute(app, context);
  addAcceptBatchRoute(app, context);
  addReadRoutes(app, context);
  addEventsRoute(app, context);
  addAdminRoutes(app, context);
  addGroupRoutes(app, context);
  addQueueRoutes(app, context);
  addScalingRoute(app, context);
  addScheduleRoute(app, context);
  addAuditRoutes(app, context);
  addActivityRoute(app, context);
  addProbeRoutes(app, context);
  addMetricsRoute(app, context);
  addOverviewRoute(app, context);
  addDashboardRoutes(app, context);
  await app.ready();
  return new HttpGateway(app, context, tls);
}

/** What is told of the queues, the audit and this gateway whenever somebody looks, until it is disposed. */
function gaugesOf({ engine, auditRenewal, views, queues, admission, clock, meter }: GatewayContext): DisposableStack {
  const gauges = new DisposableStack();
  gauges.use(meter.addObserver(queueGauges({ engine, views, queues, clock })));
  gauges.use(meter.addObserver(lineGauges({ lines: engine.lines, clock })));
  gauges.use(meter.addObserver(() => readinessGauges(admission.readiness())));
  gauges.use(
    meter.addObserver(() => {
      auditRenewal.looked();
      return [];
    }),
  );
  return gauges;
}

class HttpGateway implements Gateway {
  readonly #app: App;
  readonly #context: GatewayContext;
  readonly #connections: Connections;
  readonly #tls: TlsFiles | undefined;
  /** Beside the app's own server. */
  readonly #listeners: Listener[] = [];
  readonly #fronts: Front[] = [];
  readonly #renewal: Disposable | undefined;
  readonly #gauges: DisposableStack;
  #isLingering = false;
  #draining: Promise<void> | undefined;
  #ending: Disposable | undefined;
  #closing: Promise<void> | undefined;

  constructor(app: App, context: GatewayContext, tls: TlsFiles | undefined) {
    this.#app = app;
    this.#context = context;
    this.#tls = tls;
    this.#renewal = tls && followCertificate(tls, () => this.#servers as readonly SecureServer[], context.log);
    this.#connections = new Connections(app.server);
    this.#gauges = gaugesOf(context);
  }

  get app(): FastifyInstance {
    return this.#app;
  }

  get #servers(): readonly Server[] {
    return [this.#app.server, ...this.#listeners.map(({ server }) => server)];
  }

  async listen({ host, port }: ListenOptions): Promise<{ readonly url: string }> {
    const [first, ...others] = addressesOf(host);
    await this.#app.listen({ host: first, port }); // an address: given a name, Fastify would open servers of its own
    const bound = (this.#app.server.address() as AddressInfo).port;
    await this.#listenBeside(others, bound, (listener, at) => listener.listen(this.#app.routing, at));
    return { url: urlOf(this.#tls, host, bound) };
  }

  async listenForAdmin({ host, port }: ListenOptions): Promise<{ readonly url: string }> {
    const { adminListener } = this.#context;
    const [first, ...others] = addressesOf(host);
    const open: Opening = (listener, at) => adminListener.listen(this.#app, listener, at);
    const bound = await open(await this.#newListener(this.#tls), { host: first, port });
    await this.#listenBeside(others, bound, open);
    return { url: urlOf(this.#tls, host, bound) };
  }

  async listenForFront(settings: FrontSettings): Promise<{ readonly url: string }> {
    const { tls, host, port } = settings;
    const front = await openFront(settings, this.#context);
    this.#fronts.push(front);
    const servers: Server[] = [];
    const open: Opening = (listener, at) => {
      servers.push(listener.server);
      return listener.listen(front.app.routing, at);
    };
    const [first, ...others] = addressesOf(host);
    const bound = await open(await this.#newListener(tls), { host: first, port });
    await this.#listenBeside(others, bound, open, tls);
    if (tls !== undefined)
      this.#gauges.use(
        followCertificate(tls, () => servers as readonly Server[] as readonly SecureServer[], this.#context.log),
      );
    return { url: urlOf(tls, host, bound) };
  }

  /** On the other addresses of the same name. */
  async #listenBeside(hosts: readonly string[], port: number, open: Opening, tls = this.#tls): Promise<void> {
    for (const host of hosts)
      await open(await this.#newListener(tls), { host, port }).catch((error: unknown) => {
        if (!isNoAddress(error)) throw error;
        this.#listeners.pop();
      });
  }

  async #newListener(tls: TlsFiles | undefined): Promise<Listener> {
    const { limits, meter, log } = this.#context;
    const certificate = tls && (await readCertificate(tls));
    const server = createListener({ limits, certificate, ServerResponse: timedResponses(meter), log });
    server.on("clientError", answerSocketError);
    const listener = new Listener(server);
    this.#listeners.push(listener);
    return listener;
  }

  async linger(ms: number, hurry: AbortSignal): Promise<void> {
    this.#announceEnd();
    if (ms > 0) await sleep(ms, undefined, { signal: hurry }).catch(() => {}); // aborted: at once
  }

  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  async #drain(): Promise<void> {
    this.#announceEnd();
    await stopListening(this.#servers);
    this.#ending = this.#connections.endAsTheyFinish();
    this.#app.server.closeIdleConnections();
    for (const listener of this.#listeners) listener.drain();
  }

  #announceEnd(): void {
    if (this.#isLingering) return;
    this.#isLingering = true;
    this.#context.admission.drain();
    for (const server of this.#servers) server.prependListener("request", closeAfterAnswer);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { admission, held, limits, auditRenewal, overview, descriptors, views } = this.#context;
    await this.drain();
    held.endAll();
    this.#renewal?.[Symbol.dispose]();
    const othersClosed = Promise.all(this.#listeners.map((listener) => listener.close(limits)));
    const { server } = this.#app;
    using _ending = this.#ending;
    using _silence = this.#connections.endSilentAfter(limits.silentGraceMs);
    const refuse = setTimeout(() => admission.close(), limits.silentGraceMs);
    const force = setTimeout(() => server.closeAllConnections(), limits.closeGraceMs);
    await this.#app.close();
    clearTimeout(refuse);
    clearTimeout(force);
    await othersClosed;
    await Promise.all(this.#fronts.map((front) => front.close()));
    admission.close();
    auditRenewal.close();
    await overview.close();
    this.#gauges[Symbol.dispose]();
    descriptors[Symbol.dispose]();
    await views.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function urlOf(tls: TlsFiles | undefined, host: string, port: number): string {
  return `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

type Opening = (listener: Listener, at: ListenOptions) => Promise<number>;

function closeAfterAnswer(_request: IncomingMessage, response: ServerResponse): void {
  response.shouldKeepAlive = false;
}
