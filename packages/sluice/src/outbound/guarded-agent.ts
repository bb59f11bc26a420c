// The one way to call a URL: its connections keep to the address rule. The address is judged as it is connected to, so a name
// that leads elsewhere the next time it is looked up gains nothing. Redirects are not followed: an answer is an answer.
import { lookup as lookUp } from "node:dns";
import type { LookupFunction } from "node:net";
import { Agent, buildConnector } from "undici";
import { hostOf, refusalOfAddress, refusalOfUrl, type AddressRule } from "./address-rule.ts";
import { watch } from "./connection.ts";

export interface GuardedAgentOptions {
  readonly rule: AddressRule;
  /** To one host. */
  readonly connectionsMax: number;
  readonly tls?: TlsOptions | undefined;
  /** How long a connection may take to come about, with the name's look-up and TLS; 10 s. */
  readonly connectTimeoutMs?: number;
  /** A connection for each request, closed after it. */
  readonly isFresh?: boolean;
  /** Instead of the system's. */
  readonly lookup?: typeof lookUp;
}

export interface Agents {
  readonly kept: Agent;
  /** For a request that must not go over an idle connection, which the other side may be about to close. */
  readonly fresh: Agent;
  close(): Promise<void>;
}

const connectTimeoutMsMax = 10_000;

/** A connection that does not come about ends before the call's time does: the caller can tell it from a slow target (I4). */
export function openAgents({
  timeoutMs,
  ...options
}: Pick<GuardedAgentOptions, "rule" | "tls" | "connectionsMax"> & { readonly timeoutMs: number }): Agents {
  const connecting = { ...options, connectTimeoutMs: Math.min(connectTimeoutMsMax, Math.ceil(timeoutMs / 2)) };
  const kept = guardedAgent(connecting);
  const fresh = guardedAgent({ ...connecting, isFresh: true });
  return {
    kept,
    fresh,
    async close(): Promise<void> {
      await Promise.all([kept.destroy(), fresh.destroy()]);
    },
  };
}

/** As PEM: whom to trust instead of the system's authorities, and the client's own certificate. */
export interface TlsOptions {
  readonly ca?: Buffer | undefined;
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
}

/** A request over it throws the SluiceError `address-refused` when the rule does not let it go there. */
export function guardedAgent(options: GuardedAgentOptions): Agent {
  const { rule, tls, connectionsMax, connectTimeoutMs = 10_000, isFresh = false, lookup = lookUp } = options;
  const connect = buildConnector({ ...tls, timeout: connectTimeoutMs, lookup: guardedLookup(rule, lookup) });
  return new Agent({
    connections: connectionsMax,
    pipelining: isFresh ? 0 : 1,
    connect(place, callback) {
      // An address that stands in the URL itself is not looked up.
      const refusal = refusalOfUrl(new URL(`${place.protocol}//${bracketed(place.hostname)}`), rule);
      if (refusal !== undefined) return callback(refusal, null);
      connect(place, (...[error, socket]) => (error === null ? callback(null, watch(socket)) : callback(error, null)));
    },
    // Whoever calls bounds the whole of it.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

/** The connector is given IPv6 addresses without their brackets. */
function bracketed(hostname: string): string {
  return hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname;
}

/** Leaves of a name's addresses those that may be called. */
function guardedLookup(rule: AddressRule, lookup: typeof lookUp): LookupFunction {
  return (name, options, callback) => {
    lookup(name, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, "");
      const host = hostOf(name);
      const allowed = addresses.filter(({ address }) => refusalOfAddress(address, host, rule) === undefined);
      const [first] = allowed;
      if (first !== undefined)
        return options.all === true ? callback(null, allowed) : callback(null, first.address, first.family);
      const refusal = refusalOfAddress(addresses[0]?.address ?? "", host, rule);
      callback(refusal ?? new Error(`${host} has no address`), "");
    });
  };
}
