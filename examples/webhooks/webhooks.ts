// Real webhooks, as GitHub sent them: the examples that the community collected in @octokit/webhooks-examples.
import { createRequire } from "node:module";

export interface Webhook {
  /** GitHub's name of what happened, as in its X-GitHub-Event header. */
  readonly event: string;
  readonly payload: Payload;
}

/** The members that every kind of webhook has in common; there are many more. */
interface Payload {
  readonly action?: string;
  readonly repository?: { readonly full_name: string; readonly html_url: string };
  readonly sender?: { readonly login: string };
}

interface Definition {
  readonly name: string;
  readonly examples: readonly Payload[];
}

const require = createRequire(import.meta.url);
const definitions = require("@octokit/webhooks-examples") as readonly Definition[];

export const webhooks: readonly Webhook[] = definitions.flatMap(({ name, examples }) =>
  examples.map((payload) => ({ event: name, payload })),
);

/** A CloudEvent's type for a webhook, after the CloudEvents project's adapter for GitHub. */
export function eventTypeOf({ event, payload }: Webhook): string {
  return ["com.github", event, payload.action].filter((part) => part !== undefined).join(".");
}
