// The page as a traveller uses it, in a real browser against the whole house.
//
// Needs Debian's chromium (or CHROMIUM=path) and a built program; `make test-web` sees to both.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const program = process.env.MERIDIAN ?? "target/debug/meridian";
const patience = 30_000;
// Where pictures of the console are kept, for whoever looks at a run afterwards.
const shots = process.env.MERIDIAN_SHOTS ?? join(tmpdir(), "meridian-shots");

let house;
let browser;
let regions;
let tokens;

before(async () => {
  ({ house, regions, tokens } = await open());
  await mkdir(shots, { recursive: true });
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"];
  browser = await chromium.launch({ executablePath, args });
});

after(async () => {
  await browser?.close();
  if (house && house.exitCode === null) {
    const ended = new Promise((resolve) => house.once("exit", resolve));
    house.kill("SIGINT");
    await ended;
  }
});

/** Starts a house and waits until its tour is over; where each region answers. */
function open() {
  const args = ["demo", "--ephemeral", "--port", "0", "--dns-port", "0"];
  const house = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
  return new Promise((resolve, reject) => {
    let text = "";
    house.once("error", reject);
    house.once("exit", (code) => reject(new Error(`the house ended with ${code}: ${text}`)));
    house.stdout.on("data", (chunk) => {
      text += chunk;
      if (text.includes("stays up")) {
        const lines = text.matchAll(/^ {2}(\S+) +(http:\S+)/gm);
        const regions = Object.fromEntries([...lines].map((l) => [l[1], l[2].replace("/console", "")]));
        const tokens = text.matchAll(/^ {2}(\S+) +\S+\/console +(msf_\S+)/gm);
        resolve({ house, regions, tokens: Object.fromEntries([...tokens].map((l) => [l[1], l[2]])) });
      }
    });
  });
}

/** A page of a region, and every request that it makes; an error of the page fails the story. */
async function visit(region) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 860 } });
  page.setDefaultTimeout(patience);
  const requests = [];
  page.on("request", (request) => requests.push(request));
  page.on("pageerror", (error) => assert.fail(error));
  await page.goto(regions[region] + "/");
  await page.waitForSelector(".regions li");
  return { page, requests };
}

async function signUp(page, country, email) {
  await page.selectOption("#country", country);
  await page.click("#answer .secondary");
  await page.fill("#up-email", email);
  await page.fill("#up-password", "correct horse");
  await page.click("#sign-up .primary");
  await page.waitForSelector("#who:not([hidden])");
}

async function search(page, from, to) {
  for (const [field, typed] of [["origin", from], ["destination", to]]) {
    await page.fill(`#${field}`, typed);
    await page.waitForSelector(`#${field}-list [role=option]`);
    await page.keyboard.press("Enter");
  }
  await page.click("#search .primary");
  await page.waitForSelector(".offer");
}

async function book(page, token) {
  await page.locator(".offer .primary").first().click();
  await page.fill("#given_name-0", "Ada");
  await page.fill("#family_name-0", "Lovelace");
  await page.fill("#born_on-0", "1987-03-21");
  await page.selectOption("#token", token);
  await page.click(".booking .primary");
  await page.waitForSelector(".timeline");
}

test("a Berliner books on New York's page, and only home sees her", async () => {
  const { page, requests } = await visit("us-east");
  const email = `ada${Date.now()}@canary.example`;
  await signUp(page, "DE", email);
  await search(page, "new yo", "berlin");
  // The first answer is lost on purpose; the page asks again under the same key.
  await book(page, "tok_lost");
  await page.waitForSelector(".tag.good");
  const personal = requests.filter((r) => /\/v1\/(travellers|orders|sessions)/.test(r.url()));
  assert.ok(personal.length > 2);
  for (const request of personal) {
    assert.ok(request.url().startsWith(regions["eu-central"]), request.url());
  }
  for (const request of requests.filter((r) => !r.url().startsWith(regions["eu-central"]))) {
    assert.ok(!`${request.url()} ${request.postData()}`.includes("ada"), request.url());
  }
  await page.click(".cancel summary");
  await page.click(".cancel .quiet");
  await page.waitForSelector("text=goes back to where it came from");
  await page.click(".cancel .danger");
  await page.waitForSelector("text=Cancelled and refunded");
  await page.close();
});

test("a declined card is said, and nothing was charged", async () => {
  const { page } = await visit("ap-southeast");
  await signUp(page, "SG", `lin${Date.now()}@canary.example`);
  await search(page, "singapore", "tokyo");
  await book(page, "tok_decline");
  await page.waitForSelector(".tag.bad");
  await page.close();
});

test("who logs in from abroad is led home by the page", async () => {
  const { page } = await visit("eu-west");
  const email = `bea${Date.now()}@canary.example`;
  await signUp(page, "DE", email);
  await page.close();
  const { page: abroad } = await visit("ap-southeast");
  await abroad.click("#account");
  await abroad.fill("#in-email", ` ${email.toUpperCase()} `.trim());
  await abroad.fill("#in-password", "correct horse");
  await abroad.click("#log-in .primary");
  await abroad.waitForSelector("#who:not([hidden])");
  assert.match(await abroad.textContent("#talk"), /Frankfurt/);
  await abroad.close();
});

test("it fits a telephone", async () => {
  const { page } = await visit("eu-central");
  await page.setViewportSize({ width: 360, height: 740 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${wide} px stick out`);
  await page.close();
});

test("whoever looks after the law uses the console with the keyboard alone", async () => {
  const { page: traveller, requests } = await visit("eu-central");
  const email = `carla${Date.now()}@canary.example`;
  await signUp(traveller, "DE", email);
  const up = requests.find((r) => r.method() === "POST" && r.url().endsWith("/v1/travellers"));
  const id = (await (await up.response()).json()).data.traveller_id;
  await traveller.close();

  const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  page.on("pageerror", (error) => assert.fail(error));
  await page.goto(regions["eu-central"] + "/console/compliance");
  assert.equal(await page.locator("table").count(), 0, "nobody sees anything without a token");
  await page.keyboard.type(tokens["us-east"]);
  await page.keyboard.press("Enter");
  await page.waitForSelector("[role=alert]");
  assert.match(await page.textContent("[role=alert]"), /us-east/);
  await page.focus("#token");
  await page.keyboard.type(tokens["eu-central"]);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".verdict");
  assert.match(await page.textContent("header"), /GDPR/);
  for (const until = Date.now() + patience; Date.now() < until; await page.reload()) {
    if (/Last look/.test(await page.textContent(".verdict"))) break;
    await page.waitForTimeout(250);
  }
  assert.match(await page.textContent(".verdict"), /Nothing is where it must not be/);
  assert.equal(await page.locator("svg circle").count(), Object.keys(regions).length);
  assert.equal(await page.locator("script").count(), 0);
  await page.screenshot({ path: join(shots, "console-overview.png"), fullPage: true });

  await page.keyboard.press("Tab");
  assert.match(await page.evaluate(() => document.activeElement.className), /skip/);
  await page.click("text=Traveller");
  await page.focus("#id");
  await page.keyboard.type(id);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".verdict");
  const text = await page.textContent("main");
  assert.match(text, /traveller_eu-central/);
  assert.ok(!text.includes(email) && !text.includes(id), "whose rows they are is masked");
  await page.screenshot({ path: join(shots, "console-traveller.png"), fullPage: true });

  const downloading = page.waitForEvent("download");
  await page.click("text=Signed bundle");
  const bundle = await downloading;
  assert.match(bundle.suggestedFilename(), /^meridian-eu-central\.zip$/);
  await bundle.saveAs(join(shots, "bundle.zip"));
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(regions["eu-central"] + "/console/compliance");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${wide} px stick out`);
  await page.screenshot({ path: join(shots, "console-telephone.png") });
  await page.click("button");
  await page.waitForSelector("#token");
  await context.close();
});
