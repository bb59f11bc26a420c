// Takes interim responses (1xx) out of the bytes that a connection reads. A client ignores those that it did not ask for
// (RFC 9110, section 15.2), but undici breaks a connection off at "100 Continue". Pure.

const headBytesMax = 16 * 1024;
/** As much of a status line as tells an interim response. */
const statusLineBytes = 12;
const statusLine = /^HTTP\/1\.\d 1\d\d/;
/** An upgrade that nobody asked for is no interim response: undici breaks off. */
const upgrade = /^HTTP\/1\.\d 101/;
const anyInterim = "HTTP/1.1 100";

export class InterimFilter {
  #isExpecting = false;
  #held: Buffer | undefined;

  /** A request goes out: what is read next begins its response. */
  expect(): void {
    this.#isExpecting = true;
    this.#held = undefined;
  }

  /** What is left of the bytes that were read; undefined when that is nothing, or when the next ones have to decide. */
  pass(chunk: Buffer): Buffer | undefined {
    if (!this.#isExpecting) return chunk;
    let rest = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = undefined;
    while (mayBeInterim(rest)) {
      const end = rest.indexOf("\r\n\r\n");
      if (end === -1 && rest.byteLength < headBytesMax) {
        this.#held = rest;
        return undefined;
      }
      if (end === -1) break; // the parser says what is wrong with it
      rest = rest.subarray(end + 4);
      if (rest.byteLength === 0) return undefined;
    }
    this.#isExpecting = false;
    return rest;
  }
}

function mayBeInterim(bytes: Buffer): boolean {
  const start = bytes.toString("latin1", 0, statusLineBytes);
  const whole = start + anyInterim.slice(start.length); // what is missing may still come
  return statusLine.test(whole) && !upgrade.test(whole);
}
