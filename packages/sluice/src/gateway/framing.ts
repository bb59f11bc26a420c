// What Node's parser lets through though RFC 9112 forbids it. A proxy that reads such a message differently would disagree with us on
// where it ends, and could be made to pass somebody's request for another's.
import type { IncomingMessage } from "node:http";
import type { App } from "./context.ts";

/** RFC 9112, 3.2: one field line with a valid value. Two lines arrive joined by a comma and a space. */
const validHost = /^(?:[\w.~!$&'()*+;=%-]*|\[[\w.~!$&'()*+;=:-]+\])(?::\d*)?$/;

/** Before all other hooks. What follows a faulty message on its connection is not looked at: it may be part of it. */
export function addFramingCheck(app: App, refuse: (message: IncomingMessage, fault: string) => void): void {
  app.addHook("onRequest", ({ raw }, reply, proceed) => {
    const fault = framingFault(raw);
    if (fault === undefined && !raw.socket.destroyed) return proceed();
    reply.hijack();
    if (fault !== undefined) refuse(raw, fault);
  });
}

/** The rule that the message breaks. */
function framingFault({ headers, httpVersion }: IncomingMessage): string | undefined {
  const coding = headers["transfer-encoding"];
  if (coding !== undefined) {
    if (httpVersion !== "1.1") return "an HTTP/1.0 request has no transfer-encoding";
    if (coding.toLowerCase() !== "chunked") return "the only transfer-encoding is chunked";
  }
  const { host } = headers;
  const isRight = host === undefined ? httpVersion === "1.0" : validHost.test(host);
  return isRight ? undefined : "a request has one Host header, with a host and perhaps a port";
}
