/** What each request of a rehearsal carries: asked twice for a number, the same bytes. */
export interface Payloads {
  readonly contentType: string;
  /** What the largest of them has, about. */
  readonly bytesMax: number;
  of(number: number): Uint8Array<ArrayBuffer>;
}

const encoder = new TextEncoder();

/** JSON that names its run and its number, filled up to a size: no two are alike, so no answer can pass for another. */
export function madeUpPayloads(run: string, sizeBytes: number): Payloads {
  return {
    contentType: "application/json",
    bytesMax: Math.max(sizeBytes, 100),
    of(number) {
      const bare = JSON.stringify({ rehearsal: run, number, filling: "" });
      return encoder.encode(`${bare.slice(0, -2)}${"x".repeat(Math.max(0, sizeBytes - bare.length))}"}`);
    },
  };
}

/** Given ones, in turn. */
export function givenPayloads(
  bodies: readonly [Uint8Array<ArrayBuffer>, ...Uint8Array<ArrayBuffer>[]],
  contentType: string,
): Payloads {
  const bytesMax = bodies.reduce((most, { length }) => Math.max(most, length), 1);
  return { contentType, bytesMax, of: (number) => bodies[number % bodies.length] ?? bodies[0] };
}
