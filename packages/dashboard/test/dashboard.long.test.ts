// The dashboard on a running Sluice, in a real Chromium.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { WireBatchAnswer, WireGroupList } from "@sluice/client";
import type { Browser, Page } from "playwright-core";
import { launchChromium, openPage } from "./chromium.ts";
import { faintTexts, namelessControls, overflowPx, tabOrder } from "./page-checks.ts";
import { takePictures } from "./pictures.ts";
import { buildDashboard, openStage, type Stage } from "./stage.ts";

const known = (n: number): object => ({ n, customer: "C-7" });
const unknown = (n: number): object => ({ n, customer: "C-404" });
const times = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));

describe("the dashboard", () => {
  let stage: Stage;
  let browser: Browser;
  before(async () => {
    await buildDashboard();
    stage = await openStage();
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    await stage?.[Symbol.asyncDispose]();
  });

  test("shows the backlog rise and fall under load, a dead request, its replay after a dry run, and that it is done", async () => {
    await using watched = await openPage(browser, stage.url);
    const { page, faults } = watched;
    const card = page.locator("article", { has: page.getByRole("link", { name: "orders", exact: true }) });
    const backlog = card.locator('[data-figure="backlog"]');

    stage.serviceB.hold();
    await stage.send("orders", [...times(3, unknown), ...times(397, known)]);
    await backlog.getByText("400", { exact: true }).waitFor();
    stage.serviceB.release();
    await backlog.getByText("0", { exact: true }).waitFor();
    await card.getByText("nothing waits").waitFor();
    await card.locator('[role="img"][aria-label*="400 at most"]').waitFor();

    await card.locator('[data-figure="dead"]').getByText("3", { exact: true }).click();
    await page.getByRole("heading", { name: "Requests: dead" }).waitFor();
    const rows = page.locator("tbody tr");
    await rows.nth(2).waitFor();
    assert.equal(await rows.count(), 3);
    const [id = ""] = await rows.first().locator("a").allTextContents();
    await rows.first().locator("a").click();
    await page.getByText("Dead on the first attempt").waitFor();
    await page.getByText("unknown customer C-404").waitFor();
    assert.equal(await page.locator(".bytes-json").textContent(), '{\n  "n": 2,\n  "customer": "C-404"\n}');
    assert.ok(page.url().endsWith(id));

    await page.getByRole("link", { name: "orders", exact: true }).click();
    const group = page.locator('[data-error="target-status"]');
    await group.getByRole("button", { name: "Replay…" }).click();
    assert.equal(await group.getByRole("button", { name: /^Replay \d/ }).count(), 0, "no replay without a dry run");
    await group.getByRole("button", { name: "Dry run" }).click();
    await group.getByText("Dry run: 3 of 3 dead requests would run again (limit 3)").waitFor();
    assert.equal((await stage.queue("orders")).counts.dead, 3);

    stage.serviceB.mend();
    await group.getByRole("button", { name: "Replay 3 requests" }).click();
    await page.getByText("3 requests with target-status wait again.").waitFor();
    await page.getByText("No request is dead.").waitFor();
    await page.locator('[data-count="done"]').getByText("400", { exact: true }).waitFor();

    await page.getByLabel("Find a request by its id or key").fill(id);
    await page.getByRole("button", { name: "Find" }).click();
    await page.getByText("Done on the first attempt").waitFor();
    await page.getByLabel("Result as json").getByText('"total": 12').waitFor();
    assert.deepEqual(faults, []);
  });

  test("shows the law, and counts again when asked", async () => {
    await using watched = await openPage(browser, stage.url);
    const { page, faults } = watched;
    const verdict = page.locator('[data-figure="verdict"]');
    await verdict.waitFor();
    await page.getByRole("button", { name: "Count now" }).click();
    await page.getByText("Nothing is missing. Counted row by row just now.").waitFor();
    assert.equal(await verdict.textContent(), "Holds");
    const { accepted } = await stage.queue("orders");
    const numbers = (await page.locator(".term b").allTextContents()).map((text) => Number(text.replaceAll(",", "")));
    const [all = 0, ...states] = numbers;
    assert.ok(all >= accepted);
    assert.equal(
      states.reduce((sum, count) => sum + count, 0),
      all,
    );
    assert.deepEqual(faults, []);
  });

  test("follows one request live, and cancels one that waits in a paused queue", async () => {
    await using watched = await openPage(browser, stage.url);
    const { page, faults } = watched;
    await page.getByRole("link", { name: "mails", exact: true }).click();
    await page.getByRole("button", { name: "Pause deliveries" }).click();
    await page.getByText("Paused", { exact: true }).waitFor();
    const [first = "", second = ""] = await stage.send("mails", times(2, known));
    await page.goto(`${stage.url}/#/requests/${first}`);
    await page.getByText("Waits for its turn").waitFor();
    await page.getByRole("button", { name: "Cancel this request" }).click();
    await page.locator(".state-cancelled").waitFor();
    assert.equal(await page.getByRole("button", { name: "Cancel this request" }).count(), 0);

    await page.goto(`${stage.url}/#/requests/${second}`);
    await page.getByText("Waits for its turn").waitFor();
    const [resumed] = await Promise.all([
      fetch(`${stage.url}/v1/queues/mails/resume`, { method: "POST" }),
      page.getByText("Done on the first attempt").waitFor(),
    ]);
    assert.equal(resumed.status, 200);
    assert.deepEqual(faults, []);
  });

  test("tells of each attempt that failed, and when the next one is due", async () => {
    const [id = ""] = await stage.send("mails", [{ n: 7, customer: "C-500" }]);
    await using watched = await openPage(browser, stage.url);
    const { page, faults } = watched;
    await page.goto(`${stage.url}/#/requests/${id}`);
    await page.getByText("Attempt 2 failed").waitFor();
    await page.getByText("Done on attempt 3").waitFor();
    const titles = await page.locator(".step b").allTextContents();
    assert.deepEqual(titles, ["Accepted", "Attempt 1 failed", "Attempt 2 failed", "Done on attempt 3"]);
    assert.equal(await page.getByText("the target answered 500: the customers are being counted").count(), 2);
    assert.deepEqual(faults, []);
  });

  test("finds requests by their key, shows bytes in hex, and gives them as a file", async () => {
    await fetch(`${stage.url}/v1/queues/mails/pause`, { method: "POST" });
    const response = await fetch(`${stage.url}/v1/queues/mails/requests`, {
      method: "POST",
      headers: { "idempotency-key": "order/7&8", "content-type": "application/octet-stream" },
      body: Uint8Array.of(0, 255, 0x41, 0x42),
    });
    assert.equal(response.status, 202);
    await using watched = await openPage(browser, stage.url);
    const { page, faults } = watched;
    await page.getByLabel("Find a request by its id or key").fill("order/7&8");
    await page.keyboard.press("Enter");
    await page.locator("tbody a").click();
    await page.getByText("000000  00 ff 41 42").waitFor();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download" }).click(),
    ]);
    assert.match(download.suggestedFilename(), /^body-.*\.bin$/);
    const chunks: Uint8Array[] = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk as Uint8Array);
    assert.equal(Buffer.concat(chunks).toString("hex"), "00ff4142");
    await page.getByRole("button", { name: "Cancel this request" }).click();
    await fetch(`${stage.url}/v1/queues/mails/resume`, { method: "POST" });
    assert.deepEqual(faults, []);
  });

  test("is usable by keyboard: each thing in the order of the page, with a mark that shows where one is", async () => {
    await using watched = await openPage(browser, stage.url);
    const { page } = watched;
    await page.getByRole("button", { name: "Count now" }).waitFor();
    const order = await tabOrder(page);
    assert.deepEqual(
      order.map(({ name }) => name),
      [
        "Skip to the content",
        "Sluice",
        "Find a request by its id or key",
        "Find",
        "Count now",
        "invoices",
        "mails",
        "orders",
      ],
    );
    assert.deepEqual(
      order.filter(({ isShown }) => !isShown),
      [],
    );
    await page.getByRole("link", { name: "orders", exact: true }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "orders", exact: true }).waitFor();
    await page.getByRole("button", { name: "Pause deliveries" }).focus();
    await page.keyboard.press("Space");
    await page.getByRole("button", { name: "Resume deliveries" }).waitFor();
    await page.keyboard.press("Space");
    await page.getByRole("button", { name: "Pause deliveries" }).waitFor();
  });

  for (const colorScheme of ["light", "dark"] as const) {
    test(`is readable, named and no wider than 400 pixels: ${colorScheme}`, async () => {
      const [id = ""] = await stage.send("orders", [
        { n: 1, customer: "C-7", note: "a-word-without-a-space".repeat(20) },
      ]);
      await using watched = await openPage(browser, stage.url, { colorScheme, viewport: { width: 400, height: 800 } });
      const { page, faults } = watched;
      for (const [hash, heading] of [
        ["#/", "The law"],
        ["#/queues/orders", "orders"],
        ["#/queues/orders?state=dead", "Requests: dead"],
        [`#/requests/${id}`, "Timeline"],
        ["#/requests?key=nobody", "Requests with the key nobody"],
      ] as const) {
        await page.goto(`${stage.url}/${hash}`);
        await page.getByRole("heading", { name: heading, exact: true }).waitFor();
        await settled(page);
        assert.deepEqual(await faintTexts(page), [], hash);
        assert.deepEqual(await namelessControls(page), [], hash);
        assert.equal(await overflowPx(page), 0, hash);
      }
      assert.deepEqual(faults, []);
    });
  }

  test("lists schedules where there are some, with their next tick and the request of the last", async () => {
    const pulse = { queue: "mails", every: "1s", body: known(1) };
    const nightly = { queue: "orders", cron: "0 3 * * *", timeZone: "Europe/Berlin" };
    await using scheduled = await openStage({ schedules: { pulse, nightly } });
    let accepted = 0;
    while (accepted === 0) ({ accepted } = await scheduled.queue("mails"));
    await using watched = await openPage(browser, scheduled.url, { viewport: { width: 400, height: 800 } });
    const { page, faults } = watched;
    const cells = (name: string) => page.locator(`[data-schedule="${name}"] td`);
    await cells("nightly").first().waitFor();
    const [name, queue, cron, next, last] = await cells("nightly").allTextContents();
    assert.deepEqual([name, queue, cron, last], ["nightly", "orders", "0 3 * * * (Europe/Berlin)", "–"]);
    assert.match(next ?? "", /^in \d+ (h|min|s)/);
    assert.equal((await cells("pulse").allTextContents())[2], "every 1s");
    assert.deepEqual([await faintTexts(page), await namelessControls(page), await overflowPx(page)], [[], [], 0]);
    await cells("pulse").nth(4).getByRole("link").click();
    await page.getByText("schedule:pulse:").first().waitFor();
    assert.deepEqual(faults, []);

    await using without = await openPage(browser, stage.url);
    await without.page.getByRole("button", { name: "Count now" }).waitFor();
    assert.equal(await without.page.getByRole("heading", { name: "Schedules" }).count(), 0);
  });

  test("shows the largest groups of a queue and its held order keys, pauses a group and releases a key", async () => {
    await using own = await openStage();
    const send = async (queue: string, lines: readonly object[]): Promise<readonly string[]> => {
      const body = lines.map((line) => JSON.stringify(line)).join("\n");
      const answer = await fetch(`${own.url}/v1/queues/${queue}/batches`, { method: "POST", body });
      assert.equal(answer.status, 202);
      return ((await answer.json()) as WireBatchAnswer).receipts.map(({ id }) => id);
    };
    const hostile = `<img src=x onerror=alert(1)>"'/../%2e%2e/?a#b \\  x`;
    const longest = "W".repeat(255);
    const [dead = "", waiting = ""] = await send("mails", [
      { body: unknown(1), order: hostile },
      { body: known(2), order: hostile, group: longest, priority: 0, expires: "2h" },
    ]);
    await send("mails", [{ body: unknown(3), order: longest }]);
    await fetch(`${own.url}/v1/queues/orders/pause`, { method: "POST" });
    const groups = [hostile, longest, ...times(10, (n) => `tenant-${n}`)];
    await send(
      "orders",
      groups.flatMap((group, at) => times(20 - at, () => ({ body: known(at), group }))),
    );

    await using watched = await openPage(browser, own.url, { viewport: { width: 400, height: 800 } });
    const { page, faults } = watched;
    await page.goto(`${own.url}/#/queues/orders`);
    const rows = page.locator("tr[data-group]");
    await rows.nth(9).waitFor();
    assert.equal(await rows.count(), 10);
    assert.deepEqual(await rows.first().locator("td").allTextContents(), [hostile, "20", "0", "–", "Pause "]);
    assert.equal(await page.getByRole("heading", { name: "Held order keys" }).count(), 0);
    await page.getByRole("button", { name: `Pause the group ${hostile}` }).click();
    await rows.first().getByText("Paused", { exact: true }).waitFor();
    const isPaused = async (name: string): Promise<boolean | undefined> => {
      const answer = await fetch(`${own.url}/v1/queues/orders/groups`);
      return ((await answer.json()) as WireGroupList).groups.find((group) => group.name === name)?.paused;
    };
    assert.deepEqual([await isPaused(hostile), await isPaused(longest)], [true, false]);
    assert.deepEqual([await faintTexts(page), await namelessControls(page), await overflowPx(page)], [[], [], 0]);
    await page.getByRole("button", { name: `Resume the group ${hostile}` }).click();
    await rows.first().getByText("Paused", { exact: true }).waitFor({ state: "detached" });
    assert.equal(await isPaused(hostile), false);

    await page.goto(`${own.url}/#/requests/${waiting}`);
    await page.getByText("Urgency (0 to 7)").waitFor();
    const facts = await page.locator(".facts dd").allTextContents();
    assert.ok([hostile, longest, "0"].every((fact) => facts.includes(fact)));
    assert.equal(await overflowPx(page), 0);

    await page.goto(`${own.url}/#/queues/mails`);
    const key = page.locator("li[data-order]").nth(0);
    await page.locator("li[data-order]").nth(1).waitFor();
    assert.equal(await key.locator("code").textContent(), hostile);
    await key.getByText("1 waiting").waitFor();
    assert.equal(await key.getByRole("link").getAttribute("href"), `#/requests/${dead}`);
    await key.getByRole("button", { name: "Release" }).click();
    assert.deepEqual([await faintTexts(page), await namelessControls(page), await overflowPx(page)], [[], [], 0]);
    assert.equal((await own.queue("mails")).counts.done, 0, "nothing is released unasked");
    await key.getByRole("button", { name: "Release the key" }).click();
    await page.getByText(`The key ${hostile} is released.`).waitFor();
    await page.locator('[data-count="done"]').getByText("1", { exact: true }).waitFor();
    assert.equal(await page.locator("li[data-order]").count(), 1);
    await page.goto(`${own.url}/#/queues/invoices`);
    await page.getByText("No request is dead.").waitFor();
    assert.equal(await page.getByRole("heading", { name: /roups|order keys/ }).count(), 0);
    assert.deepEqual(faults, []);

    const reading = await own.makeKey("read");
    await using limited = await openPage(browser, own.url, { mayFail: true });
    await limited.page.getByLabel("API key").fill(reading);
    await limited.page.keyboard.press("Enter");
    await limited.page.getByRole("link", { name: "mails", exact: true }).click();
    await limited.page.getByRole("button", { name: `Release the key ${longest}…` }).click();
    await limited.page.getByRole("button", { name: "Release the key", exact: true }).click();
    await limited.page.getByText("This key may not do that").waitFor();
    assert.equal(await limited.page.locator("li[data-order]").count(), 1);
  });

  test("says that the target is out and its breaker open, and that it is closed again", async () => {
    await using watched = await openPage(browser, stage.url);
    const { page } = watched;
    stage.serviceB.refuse();
    await stage.send("orders", times(12, known));
    await page.getByText("Breaker open").waitFor();
    stage.serviceB.answer();
    await page.getByText("Breaker open").waitFor({ state: "detached" });
    await page.locator("article", { hasText: "orders" }).getByText("nothing waits").waitFor();
  });

  test("says when the gateway goes away and when it is back, and goes on from there", async () => {
    await using watched = await openPage(browser, stage.url, { mayFail: true });
    const { page, faults } = watched;
    await page.getByText("Live", { exact: true }).waitFor();
    const { accepted } = await stage.queue("orders");
    await stage.kill();
    await page.getByText(/The gateway has not answered since \d\d:\d\d:\d\d\. What you see is from then\./).waitFor();
    await page.getByText("Not connected").waitFor();
    await page.getByRole("link", { name: "orders", exact: true }).waitFor(); // what was known is still there
    await page.getByRole("button", { name: "Try now" }).click();
    const back = page.getByText("The gateway is back.").waitFor(); // it is said for a few seconds alone
    await stage.startAgain();
    await back;
    await page.getByText("Live", { exact: true }).waitFor();
    await stage.send("orders", times(5, known));
    await page.locator(".term-accepted").waitFor();
    await page.getByRole("link", { name: "orders", exact: true }).click();
    await page
      .locator(".states b")
      .first()
      .getByText((accepted + 5).toLocaleString("en-US"), { exact: true })
      .waitFor();
    assert.deepEqual(faults, []);
  });

  test("is under 100 kB when it is sent, and loads without a failure", async () => {
    await using watched = await openPage(browser, stage.url);
    await watched.page.getByText("Live", { exact: true }).waitFor();
    const paths = await watched.page.evaluate(() =>
      [...document.querySelectorAll("script[src], link[href]")].map(
        (element) => element.getAttribute("src") ?? element.getAttribute("href") ?? "",
      ),
    );
    assert.equal(paths.length, 3);
    let bytes = 0;
    for (const path of ["/", ...paths]) {
      const { headers, status } = await fetch(stage.url + path, {
        headers: { accept: "text/html", "accept-encoding": "gzip" },
      });
      assert.equal(status, 200, path);
      bytes += Number(headers.get("content-length"));
    }
    assert.ok(bytes > 10_000 && bytes < 100_000, `the page has ${bytes} bytes`);
  });

  test("has its picture taken when asked", { skip: process.env["SLUICE_PICTURES"] === undefined }, async () => {
    await takePictures(browser, stage);
  });

  test("asks for a key where the gateway does, keeps it for the tab alone, and sends it with everything", async () => {
    const key = await stage.makeKey("read,admin");
    await using watched = await openPage(browser, stage.url, { mayFail: true });
    const { page, faults } = watched;
    await page.getByRole("heading", { name: "This gateway asks for an API key" }).waitFor();
    await page.getByLabel("API key").fill("a wrong one");
    await page.keyboard.press("Enter");
    await page.getByText(/The last key was not taken\. /).waitFor();
    await page.getByLabel("API key").fill(key);
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "orders", exact: true }).click();
    await page.getByRole("button", { name: "Pause deliveries" }).click();
    await page.getByRole("button", { name: "Resume deliveries" }).click();
    await page.locator("tbody a").first().click();
    await page.getByRole("heading", { name: "Body" }).waitFor();
    await page.locator(".bytes").first().waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Timeline" }).waitFor();
    const kept = await page.evaluate(() => ({ local: localStorage.length, cookies: document.cookie }));
    assert.deepEqual(kept, { local: 0, cookies: "" });
    assert.deepEqual(faults, []);

    await using other = await openPage(browser, stage.url, { mayFail: true });
    await other.page.getByRole("heading", { name: "This gateway asks for an API key" }).waitFor();
  });
});

/** Resolves once nothing is being read, but for the streams that never end. */
async function settled(page: Page): Promise<void> {
  await page.waitForFunction(() => !/Reading the (queues|queue|request)\./.test(document.body.textContent));
  await page.evaluate(() => new Promise(requestAnimationFrame));
}
