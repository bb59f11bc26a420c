// The example's handler: reads one GitHub webhook and returns a short summary, which Sluice keeps as the result.
import { Reject } from "sluice";
import type { HandlerRequest } from "sluice";

export interface Summary {
  /** GitHub's name of what happened, such as `pull_request`; absent if the request says nothing of it. */
  readonly event?: string;
  readonly action?: string;
  readonly repository?: string;
  readonly sender?: string;
  /** What it is about: the title, name or first line of the thing that it happened to. */
  readonly title?: string;
}

/** The type of a GitHub webhook sent as a CloudEvent, such as `com.github.pull_request.opened`. */
const eventType = /^com\.github\.([a-z0-9_]+)/;
const titleCharactersMax = 100;

/** Where webhooks keep their title, the most telling first: a comment's issue says more than the comment. */
const titlePaths: readonly string[] = [
  "pull_request.title",
  "issue.title",
  "discussion.title",
  "release.name",
  "release.tag_name",
  "head_commit.message",
  "commit.commit.message",
  "merge_group.head_commit.message",
  "workflow_run.display_title",
  "workflow_run.name",
  "workflow_job.name",
  "check_run.name",
  "check_suite.head_commit.message",
  "security_advisory.summary",
  "alert.rule.description",
  "alert.security_advisory.summary",
  "alert.affected_package_name",
  "milestone.title",
  "label.name",
  "project_card.note",
  "project_column.name",
  "project.name",
  "package.name",
  "rule.name",
  "deployment.environment",
  "key.title",
  "comment.body",
  "pages.0.title",
  "forkee.full_name",
  "team.name",
  "member.login",
  "membership.user.login",
  "invitation.login",
  "blocked_user.login",
  "marketplace_purchase.plan.name",
  "sponsorship.tier.name",
  "installation.account.login",
  "zen",
  "hook.name",
  "workflow",
  "ref",
];

export function summarise(request: Pick<HandlerRequest, "headers" | "json">): Summary {
  const webhook = request.json();
  if (typeof webhook !== "object" || webhook === null || Array.isArray(webhook)) {
    throw new Reject("a GitHub webhook is a JSON object"); // trying again cannot help
  }
  return withoutAbsent({
    event: request.headers["x-github-event"] ?? eventType.exec(request.headers["ce-type"] ?? "")?.[1],
    action: textAt(webhook, "action"),
    repository: textAt(webhook, "repository.full_name"),
    sender: textAt(webhook, "sender.login"),
    title: titleOf(webhook),
  });
}

function titleOf(webhook: object): string | undefined {
  for (const path of titlePaths) {
    const line = textAt(webhook, path)?.trim().split("\n", 1)[0]?.trim();
    if (line) return shorten(line);
  }
  return undefined;
}

function shorten(line: string): string {
  const characters = Array.from(line); // whole characters, so that no emoji is cut in half
  return characters.length <= titleCharactersMax ? line : `${characters.slice(0, titleCharactersMax - 1).join("")}…`;
}

/** The text at a path such as `repository.full_name`; undefined if anything on the way is not there. */
function textAt(webhook: object, path: string): string | undefined {
  let value: unknown = webhook;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return typeof value === "string" ? value : undefined;
}

function withoutAbsent(fields: { readonly [Name in keyof Summary]: Summary[Name] | undefined }): Summary {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
