// Who sent a front request, by which URL, and the headers that tell B: Forwarded (RFC 7239), X-Forwarded-* and Via (RFC 9110,
// 7.6.3). Anybody can send such headers: they are believed only from a proxy that the configuration lists.
import type { IncomingMessage } from "node:http";
import { BlockList, isIP, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { SluiceError } from "../../core/errors.ts";

export interface Arrival {
  /** Of the socket. */
  readonly peerAddress: string;
  /** Whether it came over TLS. */
  readonly isSecure: boolean;
  /** Node's: bytes as latin1. */
  readonly rawHeaders: readonly string[];
  /** `1.1` */
  readonly httpVersion: string;
  /** The authority of an absolute request target, which takes the place of Host (RFC 9112, 3.2.2). */
  readonly authority?: string | undefined;
}

export interface Origin {
  /** Of the sender, as far as trusted proxies tell it. */
  readonly clientAddress: string;
  /** `https://hooks.example`: what the sender saw before the path. */
  readonly clientOrigin: string;
  /** For B, in place of all that the sender gave under these names. */
  readonly headers: Readonly<Record<string, string>>;
}

interface Known {
  readonly host: string | undefined;
  readonly httpVersion: string;
  readonly origin: Origin;
}

/** Tells where requests come from. What a stranger says of that counts for nothing, so most connections have one origin. */
export class Origins {
  readonly #trusted: BlockList;
  readonly #known = new WeakMap<Socket, Known>();

  constructor(trusted: BlockList) {
    this.#trusted = trusted;
  }

  of({ socket, headers, rawHeaders, httpVersion }: IncomingMessage, authority: string | undefined): Origin {
    const { host, via } = headers;
    const isOwn = authority === undefined && via === undefined;
    const known = isOwn ? this.#known.get(socket) : undefined;
    if (known !== undefined && known.host === host && known.httpVersion === httpVersion) return known.origin;
    const peerAddress = socket.remoteAddress ?? "";
    const isSecure = socket instanceof TLSSocket;
    const origin = originOf({ peerAddress, isSecure, rawHeaders, httpVersion, authority }, this.#trusted);
    if (isOwn && !isTrusted(plainAddress(peerAddress), this.#trusted))
      this.#known.set(socket, { host, httpVersion, origin });
    return origin;
  }
}

const pseudonym = "sluice";
const proxiesMax = 1_000;
/** Of what each incoming header may add to the outgoing one: 100 proxies and more. */
const chainCharsMax = 4 * 1024;
const hostCharsMax = 512;
const validHost = /^(?:[\w.~!$&'()*+;=%-]+|\[[\w.~!$&'()*+;=:-]+\])(?::\d*)?$/;
const tokenText = /^[\w!#$%&'*+.^`|~-]+$/;

/** Whether a name is one of those that `originOf` speaks for. */
export function isForwardedName(name: string): boolean {
  return name === "forwarded" || name === "via" || name === "x-real-ip" || name.startsWith("x-forwarded-");
}

/** Addresses and networks, such as `10.0.0.0/8`. `place` names the list in errors. Errors: `bad-config`. */
export function trustedProxies(entries: readonly string[], place = "trustedProxies"): BlockList {
  if (entries.length > proxiesMax) throw wrong(place, `has at most ${proxiesMax} entries, got ${entries.length}`);
  const list = new BlockList();
  for (const entry of entries) {
    const [address = "", prefix, more] = entry.split("/");
    const version = isIP(address);
    const prefixMax = version === 6 ? 128 : 32;
    const length = prefix === undefined ? prefixMax : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
    if (version === 0 || more !== undefined || !(length <= prefixMax))
      throw wrong(
        place,
        `takes addresses and networks such as "10.0.0.0/8", got ${JSON.stringify(entry.slice(0, 100))}`,
      );
    list.addSubnet(address, length, version === 6 ? "ipv6" : "ipv4");
  }
  return list;
}

/**
 * X-Forwarded-For counts from a trusted peer, and Forwarded where there is no X-Forwarded-For: a proxy must set, or remove, both.
 * Of a list of schemes or hosts the last one counts: it is the one that the trusted peer itself gave.
 */
export function originOf(arrival: Arrival, trusted: BlockList): Origin {
  const { httpVersion, authority } = arrival;
  const peer = plainAddress(arrival.peerAddress);
  const given = givenHeaders(arrival.rawHeaders);
  const host = authority ?? given.get("host") ?? "";
  const proto = arrival.isSecure ? "https" : "http";
  const own = element(peer, { host, proto });
  const via = appended(given.get("via"), `${httpVersion} ${pseudonym}`);
  if (!isTrusted(peer, trusted)) {
    return {
      clientAddress: peer,
      clientOrigin: `${proto}://${host}`,
      headers: { forwarded: own, ...xForwarded(peer, { host, proto }), via },
    };
  }
  const told = toldBy(given, { host, proto });
  const chain = [...told.chain, peer];
  const passed = [...given].filter(([name]) => name.startsWith("x-"));
  return {
    clientAddress: clientOf(chain, trusted),
    clientOrigin: `${told.proto}://${told.host}`,
    headers: {
      ...Object.fromEntries(passed),
      forwarded: appended(
        told.forwarded ?? told.chain.map((node, at) => element(node, at === 0 ? told : {})).join(", "),
        own,
      ),
      ...xForwarded(chain.join(", "), told),
      via,
    },
  };
}

interface Hop {
  readonly host: string;
  readonly proto: string;
}

interface Told extends Hop {
  /** The nodes before the peer, the sender first. */
  readonly chain: readonly string[];
  /** The Forwarded field, if that is what counts. */
  readonly forwarded: string | undefined;
}

function toldBy(given: ReadonlyMap<string, string>, own: Hop): Told {
  const forwardedFor = given.get("x-forwarded-for");
  const forwarded = given.get("forwarded");
  if (forwardedFor === undefined && forwarded !== undefined && forwarded.length <= chainCharsMax) {
    const elements = elementsOf(forwarded);
    const last = elements.at(-1);
    const chain = elements.map((one) => plainAddress(one.get("for") ?? "unknown"));
    return { chain, forwarded, ...believed({ proto: last?.get("proto"), host: last?.get("host") }, own) };
  }
  const chain = shortened(forwardedFor ?? "").map(plainAddress);
  const proto = given.get("x-forwarded-proto")?.split(",").at(-1)?.trim().toLowerCase();
  const host = given.get("x-forwarded-host")?.split(",").at(-1)?.trim();
  return { chain, forwarded: undefined, ...believed({ proto, host }, own) };
}

function believed({ proto, host }: { readonly [Name in keyof Hop]: string | undefined }, own: Hop): Hop {
  const isHost = host !== undefined && host.length <= hostCharsMax && validHost.test(host);
  return { proto: proto === "http" || proto === "https" ? proto : own.proto, host: isHost ? host : own.host };
}

/** The last node that no trusted proxy vouches for; where that is no address, the proxy that named it. */
function clientOf(chain: readonly string[], trusted: BlockList): string {
  let client = chain.at(-1) ?? "";
  for (const node of chain.toReversed()) {
    if (isIP(node) === 0) break;
    client = node;
    if (!isTrusted(node, trusted)) break;
  }
  return client;
}

/** Fields of one name joined; those that say nothing about the way of the request are left out. */
function givenHeaders(rawHeaders: readonly string[]): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase();
    if (name !== "host" && !isForwardedName(name)) continue;
    const value = rawHeaders[at + 1] as string;
    const before = given.get(name);
    given.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return given;
}

function xForwarded(chain: string, { host, proto }: Hop): Record<string, string> {
  const sent = { "x-forwarded-for": chain, "x-forwarded-proto": proto };
  return host === "" ? sent : { ...sent, "x-forwarded-host": host };
}

function element(node: string, { host = "", proto }: Partial<Hop>): string {
  const kind = isIP(node);
  const name = kind === 6 ? `"[${node}]"` : kind === 4 ? node : "unknown";
  const rest = proto === undefined ? "" : `;proto=${proto}`;
  return `for=${name}${host === "" ? "" : `;host=${tokenText.test(host) ? host : quoted(host)}`}${rest}`;
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

/** RFC 7239, 4: lists of pairs. What is malformed is passed over. */
function elementsOf(forwarded: string): readonly ReadonlyMap<string, string>[] {
  return splitOutsideQuotes(forwarded, ",").map((text) => {
    const pairs = splitOutsideQuotes(text, ";").map((pair): [string, string] => {
      const at = pair.indexOf("=");
      const value = pair.slice(at + 1).trim();
      const unquoted = value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/g, "$1") : value;
      return [pair.slice(0, Math.max(at, 0)).trim().toLowerCase(), unquoted];
    });
    return new Map(pairs);
  });
}

function splitOutsideQuotes(text: string, mark: string): readonly string[] {
  const parts: string[] = [];
  let isQuoted = false;
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') isQuoted = !isQuoted;
    else if (character === "\\" && isQuoted) at += 1;
    else if (character === mark && !isQuoted) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return [...parts, text.slice(start)];
}

/** `::ffff:10.0.0.1`, `10.0.0.1:4711`, `[2001:db8::1]:4711` and `fe80::1%eth0` without what is not the address. */
function plainAddress(node: string): string {
  const text = node.trim();
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text)?.[1] ?? text;
  const address = bare.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, "");
  return isIP(address) === 0 ? "unknown" : address;
}

function isTrusted(address: string, trusted: BlockList): boolean {
  return isIP(address) !== 0 && trusted.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

/** The members nearest to here, as many as the bound has. */
function shortened(list: string): readonly string[] {
  const near = list.length <= chainCharsMax ? list : list.slice(list.indexOf(",", list.length - chainCharsMax) + 1);
  return near.split(",").filter((member) => member.trim() !== "");
}

function appended(list: string | undefined, member: string): string {
  return list === undefined || list === "" || list.length > chainCharsMax ? member : `${list}, ${member}`;
}

function wrong(place: string, rule: string): SluiceError {
  return new SluiceError("bad-config", `${place} ${rule}`);
}
