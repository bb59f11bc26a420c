import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isMediaType, mediaTypeLengthMax } from "./media-type.ts";

test("media types of RFC 9110 are taken, with every form of parameter", () => {
  for (const text of [
    "application/json",
    "text/html;charset=utf-8",
    'Text/HTML;Charset="utf-8"',
    'text/html; charset="utf-8"',
    "text/plain;",
    "text/plain ; ; a=b ;",
    "text/plain\t;\ta=*",
    "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
    "application/vnd.github.v3+json",
    'application/ld+json; profile="https://www.w3.org/ns/activitystreams"',
    String.raw`text/plain; name="a \"b\" \\ ;,="`,
    'text/plain; name="f\u00fc\u00df"',
    "a/b",
  ])
    assert.ok(isMediaType(text), text);
});

test("ranges, lists, half types, bare words and characters that a header cannot carry are none", () => {
  for (const text of [
    "",
    " ",
    "*/*",
    "application/*",
    "*/json",
    "application/*+json",
    "*",
    "garbage",
    "application/",
    "/json",
    "application/json/x",
    "application /json",
    " text/plain",
    "text/plain, text/html",
    "text/plain; charset",
    "text/plain; charset=",
    "text/plain; =utf-8",
    "text/plain; charset =utf-8",
    "text/plain; charset= utf-8",
    "text/plain; charset=utf-8 x",
    'text/plain; charset="utf-8',
    'text/plain; charset="utf-8"x',
    'text/plain; charset="utf\\',
    "text/plain charset=utf-8",
    "text/plain\0",
    'text/plain; a="\0"',
    'text/plain; a="\u007f"',
    "text/plain\r\nx: y",
    "text/plain; a=\u00fc",
    'text/plain; a="\u0100"',
    "t\u00e9xt/plain",
    `text/${"x".repeat(mediaTypeLengthMax)}`,
  ])
    assert.ok(!isMediaType(text), JSON.stringify(text));
});

test("no text takes long to judge", () => {
  const many = mediaTypeLengthMax / 4;
  const texts = [
    "a/b" + "; ".repeat(many) + "@",
    "a/b" + " ; a=b".repeat(many / 2) + "@",
    `a/b;a="${"\\\\".repeat(many)}`,
  ];
  const startedAt = performance.now();
  for (const text of texts) for (let times = 0; times < 1_000; times += 1) assert.ok(!isMediaType(text));
  assert.ok(performance.now() - startedAt < 2_000);
});

test("whatever is judged a media type is a header value that fetch takes", () => {
  const letters = fc.constantFrom(...'ab/;="\\ \t*,\0\u007f\u00fc\u0100'.split(""));
  fc.assert(
    fc.property(fc.string({ unit: letters, maxLength: 20 }), (text) => {
      if (isMediaType(text)) assert.ok(new Headers({ "content-type": text }).has("content-type"));
    }),
    { numRuns: 20_000 },
  );
});
