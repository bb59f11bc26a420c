// What Node's parser lets through though RFC 9112 forbids it. A proxy that reads such a message differently would disagree with us on
// where it ends, and could be made to pass somebody's request for another's.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { App } from "./context.ts";

/** RFC 9112, 3.2: one field line with a valid value. Two lines arrive joined by a comma and a space. */
const validHost = /^(?:[\w.~!$&'()*+;=%-]*|\[[\w.~!$&'()*+;=:-]+\])(?::\d*)?$/;

/** Of each connection the newest answer, and the ones that end with it. */
const newest = new WeakMap<Socket, ServerResponse>();
const ending = new WeakSet<Socket>();

/** Before all other hooks. What follows a faulty message on its connection is not looked at: it may be part of it. */
export function addFramingCheck(app: App, refuse: (message: IncomingMessage, fault: string) => void): void {
  app.addHook("onRequest", ({ raw }, reply, proceed) => {
    const { socket } = raw;
    if (ending.has(socket)) return void reply.hijack();
    newest.set(socket, reply.raw);
    const fault = framingFault(raw);
    if (fault === undefined && !socket.destroyed) {
      // We never upgrade, and Node's parser drops what it has read of the messages behind.
      if (raw.headers.upgrade !== undefined) endAfter(reply.raw);
      return proceed();
    }
    reply.hijack();
    if (fault !== undefined) refuse(raw, fault);
  });
}

/** The connection ends with this answer, and nothing that follows on it is looked at. */
export function endAfter(answer: ServerResponse): void {
  ending.add(answer.req.socket);
  answer.shouldKeepAlive = false;
}

/** Whether a message that cannot be read can be answered: where another answer is under way, or was given to it, that would break in. */
export function canBeAnswered(socket: Socket): boolean {
  const answer = newest.get(socket);
  if (answer === undefined) return true;
  if (answer.req.complete) return answer.writableFinished;
  return !answer.headersSent && answer.socket !== null;
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
