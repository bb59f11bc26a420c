// Lines as Docker 20.10 printed them, with shorter ids.
import assert from "node:assert/strict";
import { test } from "node:test";
import { endedLine, healthyLine, parseEvents, scaledLine } from "./docker-events.ts";

const added =
  '{"Type":"service","Action":"update","Actor":{"ID":"bd2b","Attributes":{"name":"sluice_worker","replicas.new":"2","replicas.old":"1"}},"scope":"swarm","time":1795600115,"timeNano":1795600115966258611}';
const changed =
  '{"Type":"service","Action":"update","Actor":{"ID":"bd2b","Attributes":{"name":"sluice_worker","updatestate.new":"updating"}},"scope":"swarm","time":1795600116,"timeNano":1795600116966258611}';
const healthy =
  '{"status":"health_status: healthy","id":"a28c","from":"sluice:test","Type":"container","Action":"health_status: healthy","Actor":{"ID":"a28c","Attributes":{"com.docker.swarm.node.id":"dwyg","com.docker.swarm.service.id":"bd2b","com.docker.swarm.service.name":"sluice_worker","com.docker.swarm.task":"","com.docker.swarm.task.id":"0ypk","com.docker.swarm.task.name":"sluice_worker.2.0ypk","image":"sluice:test","name":"sluice_worker.2.0ypk"}},"scope":"local","time":1795600117,"timeNano":1795600117525617933}';
const ended =
  '{"status":"die","id":"a28c","from":"sluice:test","Type":"container","Action":"die","Actor":{"ID":"a28c","Attributes":{"com.docker.swarm.node.id":"dwyg","com.docker.swarm.service.id":"bd2b","com.docker.swarm.service.name":"sluice_worker","com.docker.swarm.task":"","com.docker.swarm.task.id":"0ypk","com.docker.swarm.task.name":"sluice_worker.2.0ypk","exitCode":"137","image":"sluice:test","name":"sluice_worker.2.0ypk"}},"scope":"local","time":1795600123,"timeNano":1795600123234364999}';
const stranger =
  '{"status":"die","id":"4c41","from":"sluice:test","Type":"container","Action":"die","Actor":{"ID":"4c41","Attributes":{"exitCode":"0","image":"sluice:test","name":"build"}},"scope":"local","time":1795600126,"timeNano":1795600126513466250}';

test("scalings, health and ends of the stack are told, and nothing else", () => {
  const sick = healthy.replaceAll("health_status: healthy", "health_status: unhealthy");
  const text = [added, changed, healthy, sick, ended, stranger, "not an event", ""].join("\n");
  assert.deepEqual(parseEvents(text), [
    { kind: "scaled", service: "sluice_worker", from: 1, to: 2 },
    { kind: "healthy", service: "sluice_worker" },
    { kind: "unhealthy", service: "sluice_worker" },
    { kind: "ended", service: "sluice_worker", exitCode: 137 },
  ]);
});

test("a line is waited for by its service and what happened to it", () => {
  assert.match(added, scaledLine("sluice_worker", 2));
  assert.doesNotMatch(added, scaledLine("sluice_worker", 1));
  assert.doesNotMatch(added, scaledLine("sluice_gateway", 2));
  assert.match(healthy, healthyLine("sluice_worker"));
  assert.doesNotMatch(healthy.replaceAll(": healthy", ": unhealthy"), healthyLine("sluice_worker"));
  assert.doesNotMatch(ended, healthyLine("sluice_worker"));
  assert.match(ended, endedLine("a28c"));
  assert.doesNotMatch(ended, endedLine("4c41"));
  assert.doesNotMatch(healthy, endedLine("a28c"));
});
