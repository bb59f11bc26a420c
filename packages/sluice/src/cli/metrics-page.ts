// The metrics page of a process without a gateway, and who may read it: as on a gateway, by an API key of the scope read.
import type { KeySource } from "../config/settings.ts";
import type { Clock } from "../core/clock.ts";
import { SluiceError } from "../core/errors.ts";
import { pageRefusal, type PageHeaders } from "../core/foreign-page.ts";
import { isLoopback } from "../core/loopback.ts";
import { wrong } from "../core/setting.ts";
import { keyRefusal } from "../gateway/access/key-refusal.ts";
import { KeyRing } from "../gateway/access/key-ring.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Meter } from "../telemetry/meter.ts";
import { openMetricsListener, type MetricsAddress, type MetricsListener } from "../telemetry/metrics-listener.ts";
import { orPortTaken } from "./port-taken.ts";

export interface MetricsPlace {
  readonly address: MetricsAddress;
  readonly keys: KeySource;
}

interface Counted {
  readonly meter: Meter;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Errors: `bad-config`, when others can reach the address and there are no API keys, or the port is taken. */
export async function openMetricsPage(
  { address, keys: source }: MetricsPlace,
  { meter, log, clock }: Counted,
): Promise<MetricsListener> {
  await using opened = new AsyncDisposableStack();
  const keys = opened.use(await KeyRing.open({ source, clock, log }));
  if (!keys.isClosed && !isLoopback(address.host)) {
    const rule = "must be on a loopback address while there are no API keys; name their file with --keys";
    throw wrong("--metrics", rule, address.host);
  }
  const refusal = (headers: PageHeaders): SluiceError | undefined => {
    const foreign = pageRefusal(headers, { isOpen: !keys.isClosed, hosts: [] });
    if (foreign !== undefined) return foreign;
    const shown = keys.find(headers["authorization"]?.toString());
    if (shown.kind === "key" && shown.grant.viewer.queues !== undefined)
      return new SluiceError("forbidden", "this concerns every queue, and the key is limited to some");
    return keyRefusal(shown, "read")?.error;
  };
  const listener = opened.use(
    await openMetricsListener(address, { meter, log, refusal }).catch((error: unknown) => {
      throw orPortTaken(error);
    }),
  );
  const owned = opened.move();
  return { url: listener.url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
