// JSON that is meant to hurt its reader. What is valid in a batch may be taken: only what must be refused is here.
const deep = 200_000;
const nested = Buffer.from("[".repeat(deep) + "]".repeat(deep));
const unfinished = Buffer.from("[".repeat(deep));
const invalidUtf8 = Buffer.from([0x22, 0xc3, 0x28, 0xff, 0x22]);
const long = "9".repeat(100_000);

/** Each is a whole batch that is refused with 400. */
export const hostileBatches: readonly Buffer[] = [
  Buffer.from('{"__proto__":{"key":"mine"},"body":1}'),
  Buffer.from('{"constructor":{"prototype":{"key":"mine"}},"body":1}'),
  Buffer.from('{"key":1e999999,"body":1}'),
  Buffer.from(`{"key":${long},"body":1}`),
  Buffer.from('{"key":"\\ud800","body":1}'),
  Buffer.from('{"key":"\\u0000","body":1}'),
  Buffer.concat([Buffer.from('{"body":'), unfinished, Buffer.from("}")]),
  Buffer.concat([Buffer.from('{"body":'), invalidUtf8, Buffer.from("}")]),
  Buffer.concat([Buffer.from('{"body":1,"more":'), nested, Buffer.from("}")]),
  nested,
  Buffer.from('{"body":NaN}'),
];

/** Each is a body that does not fit a schema of lists in lists: 422. */
export const hostileBodies: readonly Buffer[] = [
  nested,
  unfinished,
  invalidUtf8,
  Buffer.from('{"__proto__":[]}'),
  Buffer.from('[[],{"__proto__":{"toString":1}}]'),
  Buffer.from(`[${long}]`),
  Buffer.from("[1e999999]"),
  Buffer.from("[[],"),
];
