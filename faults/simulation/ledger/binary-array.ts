// Reads the arrays that the product sends in PostgreSQL's binary form: see engines/cluster/ledger/connection/binary-array.ts.

/** By the object id of the element's type. */
const readers: Readonly<Record<number, (bytes: Buffer) => unknown>> = {
  17: (bytes) => bytes,
  20: (bytes) => Number(bytes.readBigInt64BE()),
  21: (bytes) => bytes.readInt16BE(),
  23: (bytes) => bytes.readInt32BE(),
  25: (bytes) => bytes.toString(),
  2950: (bytes) => bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
};
const headerBytes = 20;

/** The array, where a value is one in that form; anything else as it is: bodies and results are text here. */
export function valueOf(value: unknown): unknown {
  if (!Buffer.isBuffer(value) || value.length < headerBytes) return value;
  const read = readers[value.readInt32BE(8)];
  if (value.readInt32BE(0) !== 1 || value.readInt32BE(4) !== 1 || value.readInt32BE(16) !== 1 || !read) return value;
  const elements: unknown[] = [];
  let at = headerBytes;
  for (let left = value.readInt32BE(12); left > 0; left -= 1) {
    const bytes = value.readInt32BE(at);
    at += 4;
    elements.push(bytes < 0 ? null : read(value.subarray(at, at + bytes)));
    at += Math.max(0, bytes);
  }
  return elements;
}
