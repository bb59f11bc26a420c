// Arrays in PostgreSQL's binary form, for the statements that carry a group of requests: the server copies them where it
// would have to parse text, and here nothing is quoted or joined. The form: PostgreSQL's array_recv, in
// src/backend/utils/adt/arrayfuncs.c.
import { writeId, type RequestId } from "../../../../core/request-id.ts";

/** Object ids of element types, in PostgreSQL's catalogue pg_type. */
const oids = { int2: 21, int4: 23, int8: 20, bytea: 17, text: 25, uuid: 2950 } as const;
const headerBytes = 20;
const lengthBytes = 4;
const isNull = -1;

export function uuidArray(ids: readonly RequestId[]): Buffer {
  const buffer = arrayOf("uuid", ids.length, ids.length * (lengthBytes + 16));
  let at = headerBytes;
  for (const id of ids) {
    at = buffer.writeInt32BE(16, at);
    at = writeId(buffer, id, at);
  }
  return buffer;
}

export function int2Array(values: readonly number[]): Buffer {
  const buffer = arrayOf("int2", values.length, values.length * (lengthBytes + 2));
  let at = headerBytes;
  for (const value of values) {
    at = buffer.writeInt32BE(2, at);
    at = buffer.writeInt16BE(value, at);
  }
  return buffer;
}

export function int4Array(values: readonly (number | undefined)[]): Buffer {
  const buffer = arrayOf("int4", values.length, values.length * (lengthBytes + 4));
  let at = headerBytes;
  for (const value of values) {
    at = buffer.writeInt32BE(value === undefined ? isNull : 4, at);
    if (value !== undefined) at = buffer.writeInt32BE(value, at);
  }
  return buffer.subarray(0, at);
}

/** Numbers that a JavaScript number holds exactly. */
export function int8Array(values: readonly number[]): Buffer {
  const buffer = arrayOf("int8", values.length, values.length * (lengthBytes + 8));
  let at = headerBytes;
  for (const value of values) {
    const high = Math.floor(value / 2 ** 32);
    at = buffer.writeInt32BE(8, at);
    at = buffer.writeInt32BE(high, at);
    at = buffer.writeUInt32BE(value - high * 2 ** 32, at);
  }
  return buffer;
}

export function byteaArray(values: readonly Uint8Array[]): Buffer {
  const bytes = values.reduce((sum, value) => sum + lengthBytes + value.byteLength, 0);
  const buffer = arrayOf("bytea", values.length, bytes);
  let at = headerBytes;
  for (const value of values) {
    at = buffer.writeInt32BE(value.byteLength, at);
    buffer.set(value, at);
    at += value.byteLength;
  }
  return buffer;
}

export function textArray(values: readonly (string | undefined)[]): Buffer {
  let bytes = 0;
  for (const value of values) bytes += lengthBytes + (value === undefined ? 0 : Buffer.byteLength(value));
  const buffer = arrayOf("text", values.length, bytes);
  let at = headerBytes;
  for (const value of values) {
    const written = value === undefined ? isNull : buffer.write(value, at + lengthBytes);
    at = buffer.writeInt32BE(written, at) + Math.max(0, written);
  }
  return buffer;
}

/** One dimension that begins at 1, with room for its elements. */
function arrayOf(type: keyof typeof oids, count: number, bytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(headerBytes + bytes);
  buffer.writeInt32BE(1, 0);
  buffer.writeInt32BE(1, 4); // there may be nulls
  buffer.writeInt32BE(oids[type], 8);
  buffer.writeInt32BE(count, 12);
  buffer.writeInt32BE(1, 16);
  return buffer;
}
