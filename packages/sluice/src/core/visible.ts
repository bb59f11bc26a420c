/** Controls, except the line feed and the tab, and what turns the order in which text is read. */
const steering = /(?![\n\t])[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Text from outside as a terminal may show it: what could steer the terminal, or mislead who reads, is spelled out. */
export function visible(text: string): string {
  return text.replace(steering, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
