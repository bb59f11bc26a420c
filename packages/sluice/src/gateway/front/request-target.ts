// What the request line names (RFC 9112, 3.2). What B could read as a path above its own is refused here, once for all.
import { SluiceError } from "../../core/errors.ts";

export type RequestTarget =
  | {
      readonly kind: "path";
      /** As sent, percent-encoding and all; it starts with a slash. */
      readonly path: string;
      /** With its question mark; empty when there is none. */
      readonly search: string;
      /** Of the absolute form, where it takes the place of Host. */
      readonly authority: string | undefined;
    }
  /** `OPTIONS *`: the server as a whole. */
  | { readonly kind: "server" };

const absoluteForm = /^https?:\/\/((?:[\w.~!$&'()*+;=%-]+|\[[\w.~!$&'()*+;=:-]+\])(?::\d*)?)(?=[/?]|$)/i;
const notVisible = /[^\x21-\x7e]/;
/** `..` and `.` as a segment, also with the `;parameters` that some servers cut off first. */
const dotSegment = /(?:^|[/\\])\.{1,2}(?:;[^/\\]*)?(?=[/\\]|$)/;
const decodedMax = 4;

/** Errors: `bad-request`. */
export function requestTarget(method: string | undefined, url: string | undefined): RequestTarget {
  if (url === undefined || url === "" || notVisible.test(url)) throw refused("is ASCII without spaces");
  if (url.includes("#")) throw refused("has no fragment");
  if (url === "*" && method === "OPTIONS") return { kind: "server" };
  const [start = "", authority] = url.startsWith("/") ? [] : (absoluteForm.exec(url) ?? []);
  const rest = url.slice(start.length);
  const at = rest.indexOf("?");
  const path = (at === -1 ? rest : rest.slice(0, at)) || "/";
  if ((authority === undefined && !url.startsWith("/")) || !path.startsWith("/"))
    throw refused("is a path such as /orders?n=1, or a whole http URL");
  const decoded = decodedPath(path);
  if (decoded === undefined || dotSegment.test(decoded)) throw refused("has no segments . and .., in any encoding");
  return { kind: "path", path, search: at === -1 ? "" : rest.slice(at), authority };
}

function refused(rule: string): SluiceError {
  return new SluiceError("bad-request", `the target of a request ${rule}`);
}

/** RFC 3986, 6.2.2: another text for the same path, with nothing encoded that needs no encoding. */
export function normalPath(path: string): string {
  if (!path.includes("%")) return path;
  return path.replaceAll(/%([0-9A-Fa-f]{2})/g, (code, digits: string) => {
    const character = String.fromCharCode(Number.parseInt(digits, 16));
    return /[\w.~-]/.test(character) ? character : code.toUpperCase();
  });
}

/** Without percent-encoding, however often it is encoded; undefined when that is more often than anybody means it. */
export function decodedPath(path: string): string | undefined {
  let decoded = path;
  for (let times = 0; times <= decodedMax; times += 1) {
    if (!/%[0-9A-Fa-f]{2}/.test(decoded)) return decoded;
    decoded = decoded.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    );
  }
  return undefined;
}
