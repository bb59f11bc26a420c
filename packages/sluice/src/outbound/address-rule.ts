// Which addresses Sluice may call: targets, and whatever URL somebody names. Pure: it looks nothing up.
import { BlockList, isIP } from "node:net";
import { SluiceError } from "../core/errors.ts";

export type Scheme = "http" | "https";

/** What a user may say about it. */
export interface AddressOptions {
  /** `["http", "https"]` */
  readonly schemes?: readonly string[] | undefined;
  /** Host names and addresses that may be called, as `"b.example"` or `"*.example"`; any of them if undefined. */
  readonly hosts?: readonly string[] | undefined;
  /**
   * What may be called though it is not public: addresses and networks as `"10.0.0.0/8"`, host names whatever their
   * addresses, or `"private"` for all private ones. Addresses where clouds keep credentials have to be named themselves.
   */
  readonly allow?: readonly string[] | undefined;
  /** Whose options they are, for messages: `targets` unless given. */
  readonly of?: "targets" | "callbacks" | undefined;
}

export interface AddressRule {
  readonly schemes: ReadonlySet<string>;
  readonly hosts: readonly string[] | undefined;
  readonly networks: BlockList;
  readonly names: ReadonlySet<string>;
  readonly allowsPrivate: boolean;
  readonly of: "targets" | "callbacks";
}

/** The other way to allow an address. */
const allowBy = { targets: "--target-allow", callbacks: "SLUICE_CALLBACK_ALLOW" } as const;

const schemes: readonly Scheme[] = ["http", "https"];
const hostName = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;

/** What the registries of IANA call special, and so leads to no host of the public internet. */
const privateNetworks = blockList([
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  ["::", 96],
  ["100::", 64],
  ["100:0:0:1::", 64], // RFC 9780
  ["2001::", 23],
  ["2001:db8::", 32],
  ["3fff::", 20],
  ["5f00::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
]);
/** Where clouds hand out credentials to whoever asks, and what is translated to an address that cannot be judged here. */
const guardedNetworks = blockList([
  ["169.254.169.254", 32],
  ["169.254.170.2", 32],
  ["169.254.170.23", 32],
  ["100.100.100.200", 32],
  ["168.63.129.16", 32],
  ["192.0.0.192", 32],
  ["fd00:ec2::", 32],
  ["fd20:ce::254", 128],
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["2002::", 16],
  ["::ffff:0:0:0", 96],
]);

/** Errors: `bad-config`, naming the option. */
export function addressRule(options: AddressOptions): AddressRule {
  const { hosts, allow = [], of = "targets" } = options;
  const networks = new BlockList();
  const names = new Set<string>();
  for (const entry of allow.map((text) => text.toLowerCase())) {
    if (entry === "private") continue;
    if (!addNetwork(networks, entry, of)) names.add(checkedName(`${of}.allow`, entry));
  }
  return {
    schemes: new Set((options.schemes ?? schemes).map(checkedScheme)),
    hosts: hosts?.map((host) => checkedHost(host.toLowerCase())),
    networks,
    names,
    allowsPrivate: allow.includes("private"),
    of,
  };
}

/** Why a URL may not be called, by what stands in it; undefined when its address decides. */
export function refusalOfUrl(url: URL, rule: AddressRule): SluiceError | undefined {
  const scheme = url.protocol.slice(0, -1);
  if (!rule.schemes.has(scheme)) return refused(url.origin, `only ${[...rule.schemes].join(" and ")} may be called`);
  const host = hostOf(url.hostname);
  if (rule.hosts !== undefined && !rule.hosts.some((pattern) => fits(host, pattern)))
    return refused(url.origin, `it is none of the hosts in targets.hosts`);
  return isIP(host) === 0 ? undefined : refusalOfAddress(host, host, rule);
}

/** Why this address may not be called for this host; undefined when it may. */
export function refusalOfAddress(address: string, host: string, rule: AddressRule): SluiceError | undefined {
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  if (rule.networks.check(address, family)) return undefined;
  const where = address === host ? host : `${host} leads to ${address},`;
  const isGuarded = guardedNetworks.check(address, family);
  if (!isGuarded && !privateNetworks.check(address, family)) return undefined;
  if (!isGuarded && (rule.allowsPrivate || rule.names.has(host))) return undefined;
  const what = isGuarded ? "where a cloud may keep credentials" : "which is a private address";
  const entry = isGuarded ? address : host;
  const { of } = rule;
  return refused(where, `${what}: if it is meant, allow it with ${of}: { allow: ["${entry}"] } or ${allowBy[of]}`);
}

/** The host of a URL without the brackets of an IPv6 address and the dot at the end of a name. */
export function hostOf(hostname: string): string {
  return hostname
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "")
    .toLowerCase();
}

function fits(host: string, pattern: string): boolean {
  return pattern.startsWith("*.") ? host.endsWith(pattern.slice(1)) : host === pattern;
}

function refused(what: string, why: string): SluiceError {
  return new SluiceError("address-refused", `${what} ${why}`);
}

function blockList(networks: readonly (readonly [address: string, prefix: number])[]): BlockList {
  const list = new BlockList();
  for (const [address, prefix] of networks) list.addSubnet(address, prefix, familyOf(address));
  return list;
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}

function addNetwork(list: BlockList, entry: string, of: AddressRule["of"]): boolean {
  const [address = "", prefix, more] = entry.split("/");
  if (isIP(address) === 0) return false;
  const prefixMax = isIP(address) === 6 ? 128 : 32;
  const length = prefix === undefined ? prefixMax : Number(prefix);
  if (more !== undefined || (prefix !== undefined && !/^\d{1,3}$/.test(prefix)) || length > prefixMax)
    throw wrong(`${of}.allow`, "is written as 10.0.0.0/8", entry);
  list.addSubnet(address, length, familyOf(address));
  return true;
}

function checkedScheme(scheme: string): string {
  if (schemes.some((known) => known === scheme)) return scheme;
  throw wrong("targets.schemes", `knows ${schemes.join(" and ")}`, scheme);
}

function checkedHost(host: string): string {
  return isIP(host) === 0 ? (checkedName("targets.hosts", host.replace(/^\*\./, "")), host) : host;
}

function checkedName(option: string, name: string): string {
  if (hostName.test(name)) return name;
  throw wrong(option, "takes addresses, networks and host names", name);
}

function wrong(option: string, rule: string, value: string): SluiceError {
  return new SluiceError("bad-config", `${option} ${rule}, got ${JSON.stringify(value)}`);
}
