// The console in a real browser: Debian's Chromium, driven by puppeteer. `npm ci && npm test -- path/to/the/console/example [directory for screenshots]`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import puppeteer from "puppeteer-core";

const [program, pictures] = process.argv.slice(2);
assert(program, "where is the example?");
const HOSTILE = `<img src=x onerror="window.pwned = 1"><script>window.pwned = 1</script>"'&`;
const OTHERS = [HOSTILE, "search/10.0.0.7:8080", "search/10.0.0.8:8080", "search/10.0.0.9:8080", "payments", 'tenants["acme"]'];

/** Starts the example; where its page is. */
function start(address) {
  const server = spawn(program, [address, ...OTHERS], { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    let said = "";
    // It is listened to until it ends: one that nobody listens to can't print.
    server.stdout.on("data", chunk => {
      said += chunk;
      const found = said.match(/the console is at (http:\/\/([^/]+)\/breakers)\n/);
      if (found) resolve({ server, page: found[1], address: found[2], base: `http://${found[2]}` });
    });
    server.on("exit", () => reject(new Error("the example ended: " + said)));
  });
}

async function stop({ server }) {
  if (server.exitCode === null) { server.kill("SIGKILL"); await once(server, "exit"); }
}

/** A hundred requests a second, as long as it isn't ended; who has answered. */
function load(base) {
  const answers = {};
  let going = true;
  const done = (async () => {
    while (going) {
      const answer = await fetch(base + "/orders/7").then(response => response.ok ? response.text() : `error ${response.status}`, () => "unreachable");
      answers[answer] = (answers[answer] ?? 0) + 1;
      await sleep(10);
    }
  })();
  return { answers, end: async () => { going = false; await done; } };
}

/** What the page shows in the row of a breaker. */
const rowOf = (page, name) => page.evaluate(name => {
  const link = [...document.querySelectorAll("td.name button")].find(link => link.textContent === name);
  return link ? link.closest("tr").innerText.replace(/\s+/g, " ") : null;
}, name);

async function until(what, condition, within = 5000) {
  const start = Date.now();
  for (;;) {
    const value = await condition();
    if (value) return Date.now() - start;
    assert(Date.now() - start < within, `${what}: not within ${within} ms`);
    await sleep(25);
  }
}

const state = async base => (await (await fetch(base + "/breakers/api/breakers/orders")).json()).state;
const focused = page => page.evaluate(() => document.activeElement.id || document.activeElement.textContent || document.activeElement.getAttribute("aria-label"));

let at = await start("127.0.0.1:0");
const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"], headless: true });
const steps = [];
const step = name => { steps.push(name); console.log("ok:", name); };
try {
  const page = await browser.newPage();
  const errors = [];
  page.on("console", message => { if (message.type() === "error") errors.push(message.text()); });
  page.on("pageerror", error => errors.push(error.message));
  await page.setViewport({ width: 1200, height: 800 });
  await page.goto(at.page);

  await until("all breakers are listed", async () => (await page.$$("td.name button")).length === OTHERS.length + 1);
  assert.equal(await page.$eval("#counts", counts => counts.textContent), "7 in all, 0 not closed");
  step("all breakers are listed");

  assert((await rowOf(page, HOSTILE)).includes(HOSTILE), "the name is shown as it is");
  await page.evaluate(name => { location.hash = "#" + encodeURIComponent(name); }, HOSTILE);
  await until("the hostile one's page", () => page.$eval("#one-name", name => name.textContent.includes("<script>")));
  await until("its figures", async () => (await page.$$("#one-facts dt")).length > 5);
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.equal((await page.$$("main img, main script")).length, 0);
  const isBlocked = await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.pwned = 1";
    document.body.append(script);
    return window.pwned === undefined;
  });
  assert(isBlocked, "no other script runs");
  errors.splice(0, errors.length, ...errors.filter(error => !/Content Security Policy/.test(error)));
  step("a hostile name is shown, and doesn't run");

  const users = load(at.base);
  await sleep(2000);
  await fetch(at.base + "/outage", { method: "POST" });
  await until("it trips", async () => (await state(at.base)) !== "closed");
  const delay = await until("the page shows it", async () => /● ?(open|ready to probe|half-open)|^ ?(open|ready to probe|half-open)/.test(await rowOf(page, "orders")), 2000);
  assert.match(await rowOf(page, "orders"), /calls bad in .* \(evidence .*, threshold .*\)/);
  assert.match(await page.title(), /^\(1\)/);
  const first = await page.$eval("td.name button", link => link.textContent);
  assert.equal(first, "orders", "the worst comes first");
  step(`a trip appears, with its reason, ${delay} ms after the breaker's own state says so`);

  await sleep(7000);
  if (pictures) { mkdirSync(pictures, { recursive: true }); await page.screenshot({ path: `${pictures}/list.png` }); }
  await page.evaluate(() => { location.hash = "#orders"; });
  await until("the charts", async () => (await page.$$("#charts svg path")).length >= 6);
  assert.match(await page.$eval("#one-why", why => why.textContent), /calls bad/);
  assert.match(await page.$eval("#one-checks", checks => checks.textContent), /the database is down/);
  assert.match(await page.$eval("#one-events", events => events.textContent), /closed → open/);
  assert((await page.$$("#charts svg line title")).length > 0, "the transitions are marked");
  if (pictures) await page.screenshot({ path: `${pictures}/one.png`, fullPage: true });
  await fetch(at.base + "/repair", { method: "POST" });
  await page.keyboard.press("Escape");
  step("one breaker during an outage: why, charts, events, checks");

  await until("it recovers", async () => (await state(at.base)) === "closed", 20_000);
  await until("the page shows it", async () => /closed/.test(await rowOf(page, "orders")), 2500);

  // With no mouse: the filter, the row, the form.
  await page.bringToFront();
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("/");
  assert.equal(await focused(page), "filter");
  await page.keyboard.type("orders");
  await page.keyboard.press("Escape");
  assert.equal((await page.$$("td.name button")).length, 1);
  await page.keyboard.press("j");
  assert.equal(await focused(page), "orders");
  await page.keyboard.down("Shift"); await page.keyboard.press("Tab"); await page.keyboard.up("Shift");
  assert.equal(await focused(page), "Choose orders");
  await page.keyboard.press("Space");
  await page.focus("#reason");
  await page.keyboard.type("database failover");
  await page.keyboard.press("Enter");
  await until("it is done", () => page.$eval("#operation-status", said => said.textContent === "done: orders"));
  await until("the page shows it", async () => /forced open: database failover \(by an operator at this machine\)/.test(await rowOf(page, "orders")), 2000);
  for (const answer of Object.keys(users.answers)) delete users.answers[answer];
  await sleep(500);
  assert.deepEqual(Object.keys(users.answers), ["from the cache"], "real traffic is diverted");
  step("forced open by the keyboard, which diverts real traffic");

  await page.select("#operation", "automatic");
  await page.focus("#reason");
  await page.keyboard.press("Enter");
  await until("it decides again", async () => !/forced open/.test(await rowOf(page, "orders")), 3000);
  await page.$eval("#filter", filter => { filter.value = ""; filter.dispatchEvent(new Event("input")); });
  step("and automatic again");

  await page.evaluate(() => { location.hash = "#payments"; });
  await until("its configuration", () => page.$eval("#config", config => config.value.includes("slow_after")));
  await page.$eval("#configuration", details => { details.open = true; });
  await page.$eval("#config", config => { config.value = '{ "slow_after": "450ms" }'; config.dispatchEvent(new Event("input")); });
  assert(await page.$eval("#apply", apply => apply.disabled), "first the differences");
  await page.click("#preview");
  await until("the differences", () => page.$eval("#diff", diff => !diff.hidden));
  assert.match(await page.$eval("#diff tbody", rows => rows.textContent), /slow_after"auto""450ms"/);
  await page.type("#config-reason", "it is slower now");
  await page.click("#apply");
  await until("it is applied", () => page.$eval("#config-status", said => said.textContent === "applied"));
  await until("it is in force", () => page.$eval("#one-facts", facts => /450 ms/.test(facts.textContent)));
  await page.keyboard.press("Escape");
  step("a configuration is changed, after its differences were shown");

  assert.deepEqual(errors, [], "no errors in the page");
  await stop(at);
  await until("the page says that it hears nothing", () => page.$eval("#lost", lost => !lost.hidden));
  at = await start(at.address);
  await until("it hears again", () => page.$eval("#lost", lost => lost.hidden), 15_000);
  await until("what there is now", async () => (await page.$$("td.name button")).length === OTHERS.length + 1);
  await users.end();
  step("the stream reconnects");

  await page.setViewport({ width: 390, height: 800, isMobile: true });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  await sleep(1200);
  for (const hash of ["", "#orders"]) {
    await page.evaluate(hash => { location.hash = hash; }, hash);
    await sleep(1200);
    const [content, width] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert(content <= width, `on a phone, ${content} fits into ${width}`);
  }
  const [ground, ink] = await page.evaluate(() => { const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]; });
  assert(ground === "rgb(20, 23, 26)" && ink === "rgb(232, 234, 237)", `dark: ${ink} on ${ground}`);
  step("on a phone, in the dark");
} finally {
  await browser.close();
  await stop(at);
}
console.log(`${steps.length} steps passed`);
