// Posts requests to targets and callback receivers. Owns the connections to them.
import type { AddressRule } from "./address-rule.ts";
import { exchange, type Call, type NoResponse, type Response } from "./exchange.ts";
import { openAgents, type TlsOptions } from "./guarded-agent.ts";

export interface OutboundOptions {
  /** Where calls may go. */
  readonly rule: AddressRule;
  /** To one host. */
  readonly connectionsMax: number;
  /** Of a body that is a result or a refusal; what is beyond is not read. */
  readonly bytesMax: number;
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

const excerptWaitMs = 500;

export function openOutbound({ bytesMax, timeoutMs, ...connecting }: OutboundOptions): Outbound {
  const agents = openAgents({ ...connecting, timeoutMs });
  const bounds = { bytesMax, excerptWaitMs: Math.min(excerptWaitMs, Math.ceil(timeoutMs / 10)) };
  return {
    async post(call): Promise<Posted> {
      const first = await exchange(agents.kept, call, bounds);
      if (first.kind === "response") return first;
      if (!first.isStale) return { ...first, isConnected: first.isSent };
      const second = await exchange(agents.fresh, call, bounds);
      if (second.kind === "response") return second;
      return { ...second, isSent: true, isConnected: second.isSent };
    },
    close: () => agents.close(),
  };
}
