// The API's description is as the strictest readers want it: Redocly's and Spectral's recommended rules find nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import spectral, { type RulesetDefinition } from "@stoplight/spectral-core";
import { oas } from "@stoplight/spectral-rulesets";
import { defaultGatewayLimits } from "../../packages/sluice/src/gateway/limits.ts";
import { describeApi } from "../../packages/sluice/src/gateway/openapi/document.ts";

const description = describeApi({ version: "1.2.3", limits: defaultGatewayLimits });

test("Redocly's recommended rules find nothing", async () => {
  const config = await createConfig({ extends: ["recommended"] });
  const found = await lintFromString({ source: description, absoluteRef: "openapi.json", config });
  assert.deepEqual(
    found.map(({ ruleId, message, location: [place] }) => ({ ruleId, message, pointer: place?.pointer })),
    [],
  );
});

test("Spectral's recommended rules find nothing", async () => {
  const linter = new spectral.Spectral();
  linter.setRuleset({ extends: [[oas as RulesetDefinition, "recommended"]] });
  const found = await linter.run(JSON.parse(description) as Record<string, unknown>);
  assert.deepEqual(
    found.map(({ code, message, path }) => ({ code, message, path: path.join(".") })),
    [],
  );
});
