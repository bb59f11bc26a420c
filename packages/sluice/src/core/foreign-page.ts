// Whether a call comes from a page of another origin. A browser tells by Host, which a name that was pointed at this machine cannot
// hide, and by Origin and Sec-Fetch-Site, which no page can set. Programs send neither of the two, and are not judged by them. Pure.
import { SluiceError } from "./errors.ts";
import { isLoopback } from "./loopback.ts";

export interface PageRule {
  /** Whether calls need no key. A page under a name that somebody pointed at this machine could then read and change all. */
  readonly isOpen: boolean;
  /** The names of this server beside the loopback's, in lower case. */
  readonly hosts: readonly string[];
}

/** What a browser says of the page; a header that came twice counts as one that fits nothing. */
export type PageHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Undefined where the call may go on. Errors: `host-refused` and `origin-refused`, with the header and its value. */
export function pageRefusal(headers: PageHeaders, rule: PageRule): SluiceError | undefined {
  const host = headers["host"]?.toString();
  if (host !== undefined && !isOwnHost(host, rule)) return refusedHost(host, rule);
  const site = headers["sec-fetch-site"]?.toString();
  if (site !== undefined && site !== "same-origin" && site !== "none") return refusedOrigin("Sec-Fetch-Site", site);
  const origin = headers["origin"]?.toString();
  if (origin === undefined || isOwnOrigin(origin, host, rule)) return undefined;
  // A proxy that changes Host hides which name the page has. With keys the browser's word is enough.
  if (site === "same-origin" && !rule.isOpen) return undefined;
  return refusedOrigin("Origin", origin);
}

/** `sluice.example` as a URL has it; undefined when it is no name of a host. */
export function hostName(text: string): string | undefined {
  const name = URL.parse(`http://${text}/`)?.hostname;
  return name === text.toLowerCase() && /^(?:[\w.-]+|\[.*\])$/.test(name) ? name : undefined;
}

/** No HTTP/1.1 without Host: what has none is a program. */
function isOwnHost(host: string, { isOpen, hosts }: PageRule): boolean {
  if (!isOpen && hosts.length === 0) return true;
  const name = URL.parse(`http://${host}/`)?.hostname;
  if (name === undefined) return false;
  if (isLoopback(name) || hosts.includes(name)) return true;
  return !isOpen && isAddress(name); // health checks name the address; no name can be pointed there
}

function isAddress(name: string): boolean {
  return name.startsWith("[") || /^\d+(\.\d+){3}$/.test(name);
}

function isOwnOrigin(origin: string, host: string | undefined, { hosts }: PageRule): boolean {
  const page = URL.parse(origin);
  if (page?.protocol !== "http:" && page?.protocol !== "https:") return false;
  if (hosts.includes(page.hostname)) return true;
  return host !== undefined && page.host === URL.parse(`${page.protocol}//${host}/`)?.host;
}

function refusedHost(host: string, { isOpen }: PageRule): SluiceError {
  const why = isOpen ? " while there are no API keys" : "";
  const rule = `Host must be localhost, a loopback address or a name in the setting hosts${why}, got ${shown(host)}`;
  return new SluiceError("host-refused", rule);
}

function refusedOrigin(header: string, value: string): SluiceError {
  const rule = header === "Origin" ? "must be this server's own or listed in cors" : "must be same-origin or none";
  return new SluiceError("origin-refused", `${header} ${rule}, got ${shown(value)}`);
}

const shownCharsMax = 100;

function shown(value: string): string {
  return JSON.stringify(value.length <= shownCharsMax ? value : `${value.slice(0, shownCharsMax)}…`);
}
