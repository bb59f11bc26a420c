import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { messageBytesMax, storedText } from "./stored-text.ts";

describe("a text that is stored", () => {
  it("is kept as it is where it is in order", () => {
    for (const text of ["", "no such customer", "a\nb\tc", "grüß 🙂", "x".repeat(messageBytesMax)]) {
      assert.equal(storedText(text), text);
    }
  });

  it("has no zero byte and no half of a character", () => {
    assert.equal(storedText("a\0b\ud800c"), "a\uFFFDb\uFFFDc");
  });

  it("is cut between two characters, and says so", () => {
    assert.equal(storedText("🙂".repeat(10), 20), "🙂🙂… (cut)");
    assert.equal(storedText("x".repeat(4_000_000)).length, messageBytesMax - 2);
  });

  it("is well formed and within its bound, whatever it was", () => {
    const parts = fc.constantFrom("\0", "\ud83d", "\ude42", "ü", "a", "€", "🙂");
    const texts = fc.array(parts, { maxLength: 40 }).map((list) => list.join(""));
    fc.assert(
      fc.property(texts, fc.integer({ min: 9, max: 60 }), (text, bytesMax) => {
        const stored = storedText(text, bytesMax);
        assert.ok(stored.isWellFormed() && !stored.includes("\0"));
        assert.ok(Buffer.byteLength(stored) <= bytesMax);
        assert.equal(storedText(stored, bytesMax), stored);
        const whole = text.toWellFormed().replaceAll("\0", "\uFFFD");
        if (Buffer.byteLength(whole) <= bytesMax) assert.equal(stored, whole);
      }),
    );
  });
});
