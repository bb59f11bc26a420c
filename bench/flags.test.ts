import assert from "node:assert/strict";
import { test } from "node:test";
import { help, parseFlags } from "./flags.ts";
import { peerNames } from "./peers/peer.ts";
import { scenarioNames } from "./scenarios/scenario.ts";

test("without flags everything is measured", () => {
  const { scenarios, peers, rounds } = parseFlags([]);
  assert.deepEqual({ scenarios, peers, rounds }, { scenarios: scenarioNames, peers: peerNames, rounds: 3 });
});

test("a part of the run is chosen by its names, whatever their order", () => {
  const { scenarios, peers } = parseFlags(["--only", "loss,intake", "--peers", "cluster,pg-boss"]);
  assert.deepEqual({ scenarios, peers }, { scenarios: ["intake", "loss"], peers: ["pg-boss", "cluster"] });
});

test("the help names every scenario, every peer and every flag", () => {
  for (const name of [...scenarioNames, ...peerNames]) assert.match(help, new RegExp(`^  ${name} `, "m"));
  const flags = ["only", "peers", "rounds", "seconds", "rated-seconds", "rate", "waiting", "loss-requests", "kills"];
  for (const flag of [...flags, "connections", "chart", "profile", "markdown", "help"])
    assert.match(help, new RegExp(`^  --${flag}\\b`, "m"));
});

test("a flag that makes no sense is refused with the rule and the value", () => {
  assert.throws(() => parseFlags(["--only", "intake,tea"]), /--only takes names of .*, got "tea"/);
  assert.throws(() => parseFlags(["--rounds", "0"]), /--rounds must be a whole number above zero, got "0"/);
  assert.throws(() => parseFlags(["--kills", "20", "--loss-requests", "30"]), /at least 2 × --kills, got 30 and 20/);
});
