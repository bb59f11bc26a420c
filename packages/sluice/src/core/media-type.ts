// Media types (RFC 9110, 8.3.1) as a Content-Type names one. A range such as `*/*` or `application/*` belongs into Accept: a
// strict receiver refuses it as the type of a body.

/** What a body without a Content-Type is stored as. */
export const anyBytes = "application/octet-stream";

/** Of a whole Content-Type with its parameters. */
export const mediaTypeLengthMax = 1_024;

// A token without the asterisk: no registered name has one, and ranges are made of it.
const name = "[!#$%&'+.^_`|~0-9A-Za-z-]+";
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
// Each character has one way to match, so that no text takes long.
const quoted = String.raw`"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"`;
const pattern = new RegExp(`^${name}/${name}(?:[ \t]*;(?:[ \t]*${token}=(?:${token}|${quoted}))?)*[ \t]*$`);

/** Whether a text is a media type, with or without parameters. */
export function isMediaType(text: string): boolean {
  return text.length <= mediaTypeLengthMax && pattern.test(text);
}
