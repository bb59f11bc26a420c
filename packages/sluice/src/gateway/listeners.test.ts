// The listeners: with TLS, and with one of their own for the admin routes.
import assert from "node:assert/strict";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { connect as connectSecurely, type PeerCertificate } from "node:tls";
import { once } from "node:events";
import { describe, test } from "node:test";
import { makeAuthority, temporaryFolder, type CertificateFiles } from "@sluice/testing";
import { Agent, request } from "undici";
import { SluiceError } from "../core/errors.ts";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";
import { readCertificate } from "./tls.ts";

const intake = "/v1/queues/orders/requests";

describe("TLS", () => {
  test("is spoken with the certificate, to those who trust its authority", async () => {
    await using folder = await temporaryFolder();
    const authority = makeAuthority(folder.path);
    await using sut = await GatewayUnderTest.open({ tls: authority.issue(), keys: [{}] });
    assert.match(sut.url, /^https:/);
    const trusting = new Agent({ connect: { ca: await readFile(authority.ca) } });
    const headers = { authorization: `Bearer ${sut.secrets[0]}` };
    const accepted = await request(`${sut.url}${intake}`, {
      method: "POST",
      body: "{}",
      headers,
      dispatcher: trusting,
    });
    assert.equal(accepted.statusCode, 202);
    await accepted.body.dump();
    await assert.rejects(request(`${sut.url}/livez`), /unable to verify|self-signed|local issuer/);
    await assert.rejects(fetch(sut.url.replace("https:", "http:")), "plain HTTP is not spoken there");
    await trusting.close();
  });

  test("shows a renewed certificate without a restart, and keeps the old one while the files do not fit", async () => {
    await using folder = await temporaryFolder();
    const authority = makeAuthority(folder.path);
    const [first, second] = [authority.issue(), authority.issue()];
    const files = { cert: join(folder.path, "live.pem"), key: join(folder.path, "live.key") };
    await install(first, files);
    await using sut = await GatewayUnderTest.open({ tls: files });
    const before = await shownBy(sut.url);
    await writeFile(files.cert, "half written");
    assert.equal(await shownBy(sut.url), before);
    await install(second, files);
    const signal = AbortSignal.timeout(20_000);
    while ((await shownBy(sut.url)) === before) signal.throwIfAborted();
  });

  test("with a certificate that is not there, or another's key, does not start", async () => {
    await using folder = await temporaryFolder();
    const authority = makeAuthority(folder.path);
    const [first, second] = [authority.issue(), authority.issue()];
    for (const files of [
      { cert: first.cert, key: second.key },
      { cert: `${first.cert}-not`, key: first.key },
    ])
      await assert.rejects(readCertificate(files), (error) => {
        assert.ok(error instanceof SluiceError && error.code === "bad-config");
        assert.ok(error.message.includes(files.cert));
        return true;
      });
  });
});

async function install(from: CertificateFiles, to: CertificateFiles): Promise<void> {
  await copyFile(from.key, to.key);
  await copyFile(from.cert, to.cert);
}

/** The fingerprint of the certificate that a new connection gets. */
async function shownBy(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connectSecurely({
    host: hostname.replace(/[[\]]/g, ""),
    port: Number(port),
    rejectUnauthorized: false,
  });
  await once(socket, "secureConnect");
  const { fingerprint256 }: PeerCertificate = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

describe("a listener for the admin routes", () => {
  test("takes them, and on the other one they do not exist", async () => {
    await using sut = await GatewayUnderTest.open({ keys: [{}] });
    const { url: adminUrl } = await sut.gateway.listenForAdmin({ host: "127.0.0.1", port: 0 });
    assert.notEqual(adminUrl, sut.url);
    const headers = { authorization: `Bearer ${sut.secrets[0]}` };
    const pause = async (base: string, sent: Record<string, string>): Promise<number> => {
      const answer = await fetch(`${base}/v1/queues/orders/pause`, { method: "POST", headers: sent });
      await answer.arrayBuffer();
      return answer.status;
    };
    assert.equal(await pause(sut.url, headers), 404);
    assert.equal(await pause(sut.url, {}), 404, "nobody learns that it is elsewhere");
    assert.equal((await sut.fetch("/v1/queues/orders", { headers })).json.paused, false);
    assert.equal(await pause(adminUrl, {}), 401);
    assert.equal(await pause(adminUrl, headers), 200);
    assert.equal((await sut.fetch("/v1/queues/orders", { headers })).json.paused, true);
    const accepted = await fetch(`${adminUrl}${intake}`, { method: "POST", body: "{}", headers });
    assert.equal(accepted.status, 202, "what looks after a queue sees all of it");
    await accepted.arrayBuffer();
  });

  test("lingers and closes with the gateway", async () => {
    await using sut = await GatewayUnderTest.open();
    const { url: adminUrl } = await sut.gateway.listenForAdmin({ host: "127.0.0.1", port: 0 });
    const id = await sut.accepted();
    const stream = await fetch(`${adminUrl}/v1/requests/${id}/events`);
    await sut.gateway.linger(0, AbortSignal.abort());
    assert.equal((await fetch(`${adminUrl}/livez`)).headers.get("connection"), "close");
    await sut.gateway.close();
    assert.match(await stream.text(), /waiting/);
    await assert.rejects(fetch(adminUrl));
  });

  test("has the bounds and the words of the other one", async () => {
    await using sut = await GatewayUnderTest.open();
    const { url: adminUrl } = await sut.gateway.listenForAdmin({ host: "127.0.0.1", port: 0 });
    const answer = await fetch(`${adminUrl}/livez`, { headers: { large: "x".repeat(20_000) } });
    assert.equal(answer.status, 431);
    assert.match(await answer.text(), /"headers-too-large"/);
  });
});

describe("localhost, where it is two addresses", () => {
  const addresses = ["127.0.0.1", "[::1]"];
  const at = (url: string, host: string): string => url.replace("localhost", host);

  test("has the same limits on both, also for the admin routes", async () => {
    await using sut = await GatewayUnderTest.open({ host: "localhost", limits: { connectionsMax: 3 } });
    const { url: adminUrl } = await sut.gateway.listenForAdmin({ host: "localhost", port: 0 });
    for (const url of [sut.url, adminUrl])
      for (const host of addresses) {
        const { hostname, port } = new URL(at(url, host));
        const call = await fetch(`${at(url, host)}/livez`, { headers: { large: "x".repeat(20_000) } });
        assert.equal(call.status, 431);
        const connections = Array.from({ length: 5 }, () => connect(Number(port), hostname.replace(/[[\]]/g, "")));
        const ends = connections.map((socket) => once(socket.resume(), "close"));
        const isOver = new Set<number>();
        ends.forEach((end, nth) => void end.then(() => isOver.add(nth)));
        await Promise.any(ends);
        await Promise.any(ends.filter((_, nth) => !isOver.has(nth)));
        connections.forEach((socket) => socket.destroy());
        await Promise.all(ends);
      }
  });

  test("shows a renewed certificate on both", async () => {
    await using folder = await temporaryFolder();
    const authority = makeAuthority(folder.path);
    const files = { cert: join(folder.path, "live.pem"), key: join(folder.path, "live.key") };
    await install(authority.issue(), files);
    await using sut = await GatewayUnderTest.open({ host: "localhost", tls: files });
    const before = await shownBy(at(sut.url, "127.0.0.1"));
    assert.equal(await shownBy(at(sut.url, "[::1]")), before);
    await install(authority.issue(), files);
    const signal = AbortSignal.timeout(20_000);
    for (const host of addresses) while ((await shownBy(at(sut.url, host))) === before) signal.throwIfAborted();
  });

  test("stops on both in the same steps", async () => {
    await using sut = await GatewayUnderTest.open({ host: "localhost" });
    const id = await sut.accepted();
    const urls = addresses.map((host) => at(sut.url, host));
    const streams = await Promise.all(urls.map((url) => fetch(`${url}/v1/requests/${id}/events`)));
    await sut.gateway.linger(0, AbortSignal.abort());
    for (const url of urls) assert.equal((await fetch(`${url}/livez`)).headers.get("connection"), "close");
    await sut.gateway.drain();
    for (const url of urls) await assert.rejects(fetch(`${url}/livez`));
    await sut.gateway.close();
    for (const stream of streams) assert.match(await stream.text(), /waiting/);
  });
});
