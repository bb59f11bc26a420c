// Files of JSON lines, read one after the other: they can be larger than memory.
import { closeSync, openSync, readSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";

const bytesAtOnce = 1024 ** 2;

/** None where there is no file. A last line that was cut off is none either. */
export function* readLines<Line>(path: string): Generator<Line> {
  const file = openSync(path, "a+");
  const decoder = new StringDecoder();
  const chunk = Buffer.alloc(bytesAtOnce);
  let rest = "";
  try {
    for (let position = 0; ;) {
      const bytes = readSync(file, chunk, 0, bytesAtOnce, position);
      if (bytes === 0) return;
      position += bytes;
      const lines = (rest + decoder.write(chunk.subarray(0, bytes))).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line) as Line;
    }
  } finally {
    closeSync(file);
  }
}
