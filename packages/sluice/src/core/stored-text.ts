// The rule for every text from outside that a store keeps: what handlers throw, what targets respond.
// It is well-formed Unicode without a zero byte, which PostgreSQL cannot store, and it is bounded.

/** Of a failure's message, in UTF-8. */
export const messageBytesMax = 8 * 1024;

const mark = "… (cut)";
const encoder = new TextEncoder();
const markBytes = encoder.encode(mark).byteLength;

/** The text as it may be stored; a longer one is cut between two characters, and says so. */
export function storedText(text: string, bytesMax = messageBytesMax): string {
  // Each UTF-16 unit has at least one byte: what is beyond need not be looked at.
  const start = text
    .slice(0, bytesMax + 1)
    .toWellFormed()
    .replaceAll("\0", "\uFFFD");
  if (start.length * 3 <= bytesMax) return start;
  const bytes = new Uint8Array(bytesMax);
  if (start.length <= bytesMax && encoder.encodeInto(start, bytes).read === start.length) return start;
  const { read } = encoder.encodeInto(start, bytes.subarray(0, bytesMax - markBytes));
  return start.slice(0, read) + mark;
}
