import assert from "node:assert/strict";
import { test } from "node:test";
import { summarise } from "./summarise.ts";
import { eventTypeOf, webhooks } from "./webhooks.ts";
import type { Webhook } from "./webhooks.ts";

test("each of GitHub's example webhooks gets a summary that says what happened, where and by whom", () => {
  assert.ok(webhooks.length >= 329, `${webhooks.length} examples`);
  for (const webhook of webhooks) {
    const summary = summaryOf(webhook);
    const { action, repository, sender } = webhook.payload;
    assert.equal(summary.event, webhook.event);
    assert.equal(summary.action, action);
    assert.equal(summary.repository, repository?.full_name);
    assert.equal(summary.sender, sender?.login);
  }
});

test("a summary stays short, whatever the size of the webhook", () => {
  for (const webhook of webhooks) {
    const text = JSON.stringify(summaryOf(webhook));
    assert.ok(text.length < 400, text);
  }
});

test("only webhooks that are about nothing with a name have no title", () => {
  const untitled = new Set(
    webhooks.filter((webhook) => summaryOf(webhook).title === undefined).map(({ event }) => event),
  );
  const expected = [
    "github_app_authorization",
    "organization",
    "page_build",
    "project_card",
    "projects_v2_item",
    "public",
  ];
  const rest = ["repository", "repository_dispatch", "repository_import", "star", "watch"];
  assert.deepEqual([...untitled].toSorted(), [...expected, ...rest]);
});

test("a pull request is summarised by its title", () => {
  const payload = {
    action: "opened",
    pull_request: { title: "Fix the flaky test\n\nby waiting" },
    sender: { login: "ada" },
  };
  assert.deepEqual(summarise({ headers: { "ce-type": "com.github.pull_request.opened" }, json: () => payload }), {
    event: "pull_request",
    action: "opened",
    sender: "ada",
    title: "Fix the flaky test",
  });
});

test("members of another type than GitHub's are left out", () => {
  const payload = { action: 7, repository: null, sender: ["ada"], issue: "none", release: { name: {} }, ref: "main" };
  assert.deepEqual(summarise({ headers: {}, json: () => payload }), { title: "main" });
});

test("a long title is cut between characters", () => {
  const { title } = summarise({ headers: {}, json: () => ({ zen: "🌊".repeat(200) }) });
  assert.equal(title, `${"🌊".repeat(99)}…`);
});

for (const json of [null, [], "push", 7]) {
  test(`${JSON.stringify(json)} is no webhook and is rejected for good`, () => {
    assert.throws(() => summarise({ headers: {}, json: () => json }), { name: "Reject" });
  });
}

function summaryOf(webhook: Webhook): ReturnType<typeof summarise> {
  return summarise({ headers: { "ce-type": eventTypeOf(webhook) }, json: () => webhook.payload });
}
