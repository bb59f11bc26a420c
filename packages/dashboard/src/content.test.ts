import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { fileName, hexDump, show } from "./content.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

test("JSON is shown pretty, by its type", () => {
  const json = { contentType: "application/json; charset=utf-8", isWhole: true };
  deepEqual(show({ ...json, bytes: encode('{"a":[1]}') }), { kind: "json", text: '{\n  "a": [\n    1\n  ]\n}' });
  deepEqual(show({ ...json, contentType: "application/cloudevents+json", bytes: encode("1") }), {
    kind: "json",
    text: "1",
  });
  deepEqual(show({ ...json, bytes: encode('{"a":') }), { kind: "text", text: '{"a":' });
});

test("a number that would be changed by reading it is left as it came", () => {
  const shown = show({ contentType: "application/json", isWhole: true, bytes: encode('{"id":12345678901234567890}') });
  deepEqual(shown, { kind: "json", text: '{"id":12345678901234567890}' });
});

test("text is shown as it is, a part of it too", () => {
  deepEqual(show({ contentType: "text/plain", isWhole: true, bytes: encode("zwölf\n") }), {
    kind: "text",
    text: "zwölf\n",
  });
  const cut = encode("zwö").subarray(0, 3);
  deepEqual(show({ contentType: "text/plain", isWhole: false, bytes: cut }), { kind: "text", text: "zw" });
});

test("what is no text is shown in hex, whatever its type says", () => {
  equal(show({ contentType: "text/plain", isWhole: true, bytes: Uint8Array.of(0xff, 0xfe) }).kind, "hex");
  equal(show({ contentType: "application/json", isWhole: true, bytes: Uint8Array.of(0x41, 0) }).kind, "hex");
  equal(
    hexDump(encode("0123456789abcdefg")),
    `${hexLine("000000", "30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66", "0123456789abcdef")}\n${hexLine("000010", "67", "g")}`,
  );
});

function hexLine(offset: string, hex: string, characters: string): string {
  return `${offset}  ${hex.padEnd(47)}  ${characters}`;
}

test("nothing is shown as nothing", () => {
  deepEqual(show({ contentType: "text/plain", isWhole: true, bytes: new Uint8Array() }), { kind: "empty" });
});

test("a download has a name with the ending of its type", () => {
  equal(fileName("body", "7", "application/json; charset=utf-8"), "body-7.json");
  equal(fileName("result", "7", "application/vnd.a+json"), "result-7.json");
  equal(fileName("result", "7", "application/x-thing"), "result-7.bin");
});
