import { failureOf } from "../../packages/sluice/src/cli/failure.ts";
import { errorCodes, SluiceError, type Consequence, type ErrorCode } from "../../packages/sluice/src/core/errors.ts";
import { pageHead, table } from "./markdown.ts";

const consequences: Readonly<Record<Consequence, { readonly title: string; readonly meaning: string }>> = {
  caller: {
    title: "The caller's fault",
    meaning: "The same call gets the same answer again: change it.",
  },
  unavailable: {
    title: "Not now",
    meaning: "Try again later, after `Retry-After` where it is given.",
  },
  "lost-claim": {
    title: "A lost claim",
    meaning: "The outcome of somebody else came first. A worker sees it, a caller never does.",
  },
  broken: {
    title: "Broken",
    meaning: "Something that must hold does not. Look into the log.",
  },
};

const codes = Object.keys(errorCodes) as ErrorCode[];

export function errorsPage(): string {
  const sections = (Object.keys(consequences) as Consequence[]).map((consequence) => {
    const { title, meaning } = consequences[consequence];
    return `## ${title}\n\n${meaning}\n\n${table(["code", "status", "exit code", "title"], rowsOf(consequence))}\n`;
  });
  return `${pageHead("Errors", "core/errors.ts")}
An answer that is an error is \`application/problem+json\` (RFC 9457) with \`type\`, \`title\`, \`status\`, \`code\` and
\`detail\`. A code is stable and never used again for something else; \`detail\` says the rule and the value, and may change.
The same codes stand in a request's \`lastError\`, in what commands print with \`--json\`, and in \`SluiceClientError.code\`.

The status is that of an API's answer. The exit code is that of a command which fails by the error itself, such as
\`sluice up\`; a command that is told of it by a server exits by the [kind of answer](exit-codes.md).

${sections.join("\n")}`;
}

function rowsOf(consequence: Consequence): readonly (readonly string[])[] {
  return codes
    .filter((code) => errorCodes[code].consequence === consequence)
    .map((code) => {
      const { status, title } = errorCodes[code];
      return [`\`${code}\``, String(status), String(failureOf(new SluiceError(code, title)).exitCode), title];
    });
}
