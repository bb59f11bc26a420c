// The gateway: accepts requests over HTTP and answers for their state and results. It owns the HTTP
// server, the answers it holds open, and nothing else: the engine belongs to whoever opened it.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Server as SecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { addGate } from "./access/gate.ts";
import { addAcceptBatchRoute } from "./accept-batch.ts";
import { addAcceptRoute } from "./accept.ts";
import { addAdminRoutes } from "./admin.ts";
import { Connections } from "./connections.ts";
import type { App, GatewayContext } from "./context.ts";
import { createContext, type GatewayOptions, type GatewayQueue } from "./create-context.ts";
import { addPageCheck } from "./cors.ts";
import { addDashboardRoutes } from "./dashboard.ts";
import { addEventsRoute } from "./events.ts";
import { defaultGatewayLimits } from "./limits.ts";
import type { GatewayLimits } from "./limits.ts";
import { nameRoutes, timedResponses } from "./measure.ts";
import { addMetricsRoute } from "./metrics.ts";
import { addOpenApi } from "./openapi.ts";
import { addOverviewRoute } from "./overview-events.ts";
import { addProbeRoutes } from "./probes.ts";
import { queueGauges } from "./queue-gauges.ts";
import { readinessGauges } from "./readiness-gauges.ts";
import { addAuditRoutes } from "./audit.ts";
import { addQueueRoutes } from "./queues.ts";
import { addReadRoutes } from "./read.ts";
import { addScalingRoute } from "./scaling.ts";
import { answerSocketError, createApp } from "./server.ts";
import { followCertificate, readCertificate, type TlsFiles } from "./tls.ts";
import { stopListening } from "./stop-listening.ts";
import { createListener } from "./transport.ts";

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
  addGate(app, context);
  await addOpenApi(app, options.version);
  addAcceptRoute(app, context);
  addAcceptBatchRoute(app, context);
  addReadRoutes(app, context);
  addEventsRoute(app, context);
  addAdminRoutes(app, context);
  addQueueRoutes(app, context);
  addScalingRoute(app, context);
  addAuditRoutes(app, context);
  addProbeRoutes(app, context);
  addMetricsRoute(app, context);
  addOverviewRoute(app, context);
  addDashboardRoutes(app, context);
  await app.ready();
  return new HttpGateway(app, context, tls);
}

/** What is told of the queues, the audit and this gateway whenever somebody looks, until it is disposed. */
function gaugesOf({ auditRenewal, views, queues, admission, clock, meter }: GatewayContext): DisposableStack {
  const gauges = new DisposableStack();
  gauges.use(meter.addObserver(queueGauges({ views, queues, clock })));
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
  readonly #servers: Server[];
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
    this.#servers = [app.server];
    this.#renewal = tls && followCertificate(tls, () => this.#servers as SecureServer[], context.log);
    this.#connections = new Connections(app.server);
    this.#gauges = gaugesOf(context);
  }

  get app(): FastifyInstance {
    return this.#app;
  }

  async listen({ host, port }: ListenOptions): Promise<{ readonly url: string }> {
    await this.#app.listen({ host, port });
    const bound = this.#app.server.address() as AddressInfo;
    return { url: this.#urlOf(host, bound.port) };
  }

  async listenForAdmin(at: ListenOptions): Promise<{ readonly url: string }> {
    const { adminListener, limits, meter } = this.#context;
    const certificate = this.#tls && (await readCertificate(this.#tls));
    const server = createListener({ limits, certificate, ServerResponse: timedResponses(meter) });
    server.on("clientError", answerSocketError);
    this.#servers.push(server);
    return { url: this.#urlOf(at.host, await adminListener.listen(this.#app, server, at)) };
  }

  #urlOf(host: string, port: number): string {
    return `${this.#tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
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
    this.#context.adminListener.drain();
  }

  #announceEnd(): void {
    if (this.#isLingering) return;
    this.#isLingering = true;
    this.#context.admission.drain();
    this.#app.server.prependListener("request", closeAfterAnswer);
    this.#context.adminListener.linger(closeAfterAnswer);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { admission, held, adminListener, limits, auditRenewal, overview, descriptors, views } = this.#context;
    await this.drain();
    held.endAll();
    this.#renewal?.[Symbol.dispose]();
    const adminClosed = adminListener.close(limits);
    const { server } = this.#app;
    using _ending = this.#ending;
    using _silence = this.#connections.endSilentAfter(limits.silentGraceMs);
    const refuse = setTimeout(() => admission.close(), limits.silentGraceMs);
    const force = setTimeout(() => server.closeAllConnections(), limits.closeGraceMs);
    await this.#app.close();
    clearTimeout(refuse);
    clearTimeout(force);
    await adminClosed;
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

function closeAfterAnswer(_request: IncomingMessage, response: ServerResponse): void {
  response.shouldKeepAlive = false;
}
