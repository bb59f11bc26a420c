// Posts requests to targets and callback receivers. Owns the connections to them.
import type { AddressRule } from "./address-rule.ts";
import { exchange, isSuccess, type Call, type NoResponse, type Response, type Wanted } from "./exchange.ts";
import { guardedAgent, type TlsOptions } from "./guarded-agent.ts";

export interface OutboundOptions {
  /** Where calls may go. */
  readonly rule: AddressRule;
  /** To one host. */
  readonly connectionsMax: number;
  /** Of a body that is a result or a refusal; what is beyond is not read. */
  readonly bytesMax: number;
  /** Any 2xx is a result, and of the others an excerpt does, unless given. */
  readonly wants?: (status: number) => Wanted;
  readonly tls?: TlsOptions | undefined;
  /** What the caller gives one call: a connection, and the body of an error, get a part of it. */
  readonly timeoutMs: number;
}

export type Posted =
  | Response
  | (Pick<NoResponse, "kind" | "error" | "isSent"> & {
      /** Whether a connection came about. */
      readonly isConnected: boolean;
    });

export interface Outbound {
  /**
   * Posts once, and once more on a fresh connection where the target seems to have closed an idle one just then: the request
   * carries a key, so that a target which did see it takes effect once (RFC 9110, section 9.2.2). Rejects, with the signal's
   * reason, only when that aborts.
   */
  post(call: Call): Promise<Posted>;
  close(): Promise<void>;
}

const connectTimeoutMs = 10_000;
const excerptWaitMs = 500;

export function openOutbound(options: OutboundOptions): Outbound {
  const { rule, connectionsMax, bytesMax, timeoutMs, wants = resultsAlone, tls } = options;
  // A connection that does not come about ends before the call's time does: the caller can tell it from a slow target (I4).
  const connecting = {
    rule,
    tls,
    connectionsMax,
    connectTimeoutMs: Math.min(connectTimeoutMs, Math.ceil(timeoutMs / 2)),
  };
  const kept = guardedAgent(connecting);
  const fresh = guardedAgent({ ...connecting, isFresh: true });
  const bounds = { wants, bytesMax, excerptWaitMs: Math.min(excerptWaitMs, Math.ceil(timeoutMs / 10)) };
  return {
    async post(call): Promise<Posted> {
      const first = await exchange(kept, call, bounds);
      if (first.kind === "response") return first;
      if (!first.isStale) return { ...first, isConnected: first.isSent };
      const second = await exchange(fresh, call, bounds);
      if (second.kind === "response") return second;
      return { ...second, isSent: true, isConnected: second.isSent };
    },
    async close(): Promise<void> {
      await Promise.all([kept.destroy(), fresh.destroy()]);
    },
  };
}

function resultsAlone(status: number): Wanted {
  return isSuccess(status) ? "result" : "excerpt";
}
