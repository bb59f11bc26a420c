// A route's pathname: WHATWG URLPattern syntax, read into plain texts. Custom regular expressions are refused, as are several
// groups in one segment: with at most one asterisk the time to match a path grows with its length only.
import { SluiceError } from "../../core/errors.ts";
import { decodedPath, normalPath } from "./request-target.ts";

/** Stand for groups in a pattern's text; no path has them. */
export const nameMark = "\uE000";
export const starMark = "\uE001";

const optionalMax = 4;
const nameStart = /^:[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/u;

/**
 * The texts of a pattern, with marks for its groups: two for each optional part, which may be there or not. `route` names the
 * route in errors. Errors: `bad-config`.
 */
export function patternTexts(pathname: string, route: string): readonly string[] {
  if (hasDots(pathname)) throw wrong(route, noDots); // URLPattern would resolve them
  const texts = [...new Set(expanded(checkedSyntax(pathname, route), route))].map(normalPath);
  for (const text of texts) {
    if (text.split(starMark).length > 2) throw wrong(route, "may have one asterisk");
    const crowded = text.split("/").find((segment) => marksIn(segment) > 1);
    if (crowded !== undefined) throw wrong(route, "may have one name or asterisk between two slashes");
    if (hasDots(text)) throw wrong(route, noDots);
    if (text.includes("//") || !text.startsWith("/"))
      throw wrong(route, "starts with a slash, and has no two in a row");
  }
  return texts;
}

const noDots = "may have no segments . and .., in any encoding";

function hasDots(text: string): boolean {
  const decoded = decodedPath(text);
  return decoded === undefined || /(?:^|\/)\.{1,2}(?=\/|$)/.test(decoded);
}

/** Of a path that the text stands for. */
export function textMatcher(text: string): (path: string) => boolean {
  const [prefix = ""] = text.split(/[\uE000\uE001]/, 1);
  if (prefix === text) return (path) => path === text;
  const source = text
    .replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll(nameMark, "[^/]+")
    .replaceAll(starMark, ".*");
  const whole = new RegExp(`^${source}$`, "s");
  return (path) => path.startsWith(prefix) && whole.test(path);
}

type Step = (text: string) => string;

/** An encoded slash, where it is taken for a character like others. */
const slashMark = "\uE002";
const withoutHost: Step = (text) => text.replace(/^\/[/\\][^/\\]*/, "") || "/";
const withoutParameters: Step = (text) => text.replaceAll(/;[^/]*/g, "");
const withSlashes: Step = (text) => text.replaceAll(/[\uE002\\]/g, "/");
const withoutQuery: Step = (text) => text.replace(/[?#][^]*$/, "");
// oxlint-disable-next-line no-control-regex
const withoutBlanks: Step = (text) => text.replaceAll(/[\x00-\x20\x7f]/g, "");
/** Some servers take these steps, each of them or none; parameters go before or after what is encoded is decoded. */
const steps = [withoutHost, withoutParameters, withSlashes, withoutParameters, withoutQuery, withoutBlanks];
const readingsMax = 8;

/**
 * How servers may read a path, as far as it matters for routes: without regard to case, to repeated slashes and to how often
 * something is encoded. Undefined when there are too many ways: nobody who means well sends such a path.
 */
export function loosePaths(path: string): readonly string[] | undefined {
  if (/^(?:\/[\w.~-]+)*\/?$/.test(path)) return [path.toLowerCase()];
  const start = decodedPath(path.replaceAll(/%(?:25)*(?:2f|5c)/gi, slashMark));
  if (start === undefined) return undefined;
  let texts: readonly string[] = [start];
  for (const step of steps) {
    texts = [...new Set([...texts, ...texts.map(step)])];
    if (texts.length > readingsMax) return undefined;
  }
  return [...new Set(texts.map(folded))];
}

/** A route's text, with all of these steps. */
export function loosePath(text: string): string {
  return folded(steps.slice(1).reduce((loose, step) => step(loose), decodedPath(text) ?? text));
}

function folded(text: string): string {
  return text.toLowerCase().replaceAll(/\/{2,}/g, "/");
}

/** URLPattern is the judge of the syntax. It encodes what has to be. */
function checkedSyntax(pathname: string, route: string): string {
  try {
    const pattern = new URLPattern({ pathname });
    if (!pattern.hasRegExpGroups) return pattern.pathname;
  } catch (cause) {
    throw new SluiceError("bad-config", `the route ${shown(route)} has no valid URLPattern pathname`, { cause });
  }
  throw wrong(route, "may have no regular expression");
}

function expanded(pattern: string, route: string): readonly string[] {
  let texts: readonly string[] = [""];
  let optional = 0;
  let rest = pattern;
  while (rest !== "") {
    const token = nextToken(rest);
    rest = rest.slice(token.chars);
    const modifier = token.isGroup ? (/^[?+*]/.exec(rest)?.[0] ?? "") : "";
    rest = rest.slice(modifier.length);
    if (modifier === "+" || modifier === "*") throw wrong(route, "may not repeat a group: use an asterisk");
    const [part = ""] = token.isNested ? expanded(token.text, route) : [token.text];
    const withPart = texts.map((text) => text + part);
    if (modifier === "?" && (optional += 1) > optionalMax) throw wrong(route, `may have ${optionalMax} optional parts`);
    // The slash before a name that may be missing is missing with it.
    const without = token.isNested ? texts : texts.map((text) => text.replace(/\/$/, ""));
    texts = modifier === "?" ? [...withPart, ...without] : withPart;
  }
  return texts;
}

interface Token {
  readonly chars: number;
  readonly text: string;
  readonly isGroup: boolean;
  /** In braces, where no token has a modifier. */
  readonly isNested: boolean;
}

function nextToken(rest: string): Token {
  const name = nameStart.exec(rest)?.[0];
  if (name !== undefined) return { chars: name.length, text: nameMark, isGroup: true, isNested: false };
  if (rest.startsWith("*")) return { chars: 1, text: starMark, isGroup: true, isNested: false };
  if (rest.startsWith("\\")) return { chars: 2, text: rest.slice(1, 2), isGroup: false, isNested: false };
  if (!rest.startsWith("{")) return { chars: 1, text: rest.slice(0, 1), isGroup: false, isNested: false };
  const chars = endOfBraces(rest);
  return { chars, text: rest.slice(1, chars - 1), isGroup: true, isNested: true };
}

function endOfBraces(text: string): number {
  for (let at = 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === "}") return at + 1;
  }
  return text.length;
}

function marksIn(segment: string): number {
  return segment.split(/[\uE000\uE001]/).length - 1;
}

function wrong(route: string, rule: string): SluiceError {
  return new SluiceError("bad-config", `the route ${shown(route)} ${rule}`);
}

function shown(route: string): string {
  return JSON.stringify(route.slice(0, 200));
}
