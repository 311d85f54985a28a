// The page: who serves it, where the traveller is at home, and the search. Booking and trips are in
// trips.js; what all of it is made of in parts.js; talking to regions in talk.js.

import {
  canHash, logIn, logOut, personal, Problem, recall, regions, remember, send, signUp, who,
} from "./talk.js";
import {
  busy, byId, clearProblem, clock, count, countryName, day, drawWorld, duration, flights, h, isoDay,
  journey, markRegions, money, placeFinder, say, showProblem,
} from "./parts.js";
import { showBooking, showTrip, showTrips, stopWatching } from "./trips.js";

/** Every country of ISO 3166-1, and Kosovo; which region may home it only the server knows. */
const COUNTRIES = (
  "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR " +
  "BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ " +
  "EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW " +
  "GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY " +
  "KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV " +
  "MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY " +
  "QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG " +
  "TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA " +
  "ZM ZW"
).split(" ");

/** Those with a reference rate of the European Central Bank. */
const CURRENCIES = (
  "EUR USD GBP AUD BRL CAD CHF CNY CZK DKK HKD HUF IDR ILS INR ISK JPY KRW MXN MYR NOK NZD " +
  "PHP PLN RON SEK SGD THB TRY ZAR"
).split(" ");

const PASSENGERS_MAX = 9;
const HORIZON_DAYS = 330;
const SHOWN_AT_ONCE = 8;

/** What the page knows: the regions, the one that serves it, and the residence looked up. */
const known = { regions: [], here: "", residence: null, country: "" };

const place = (name) => known.regions.find((each) => each.name === name)?.place ?? name;

// Where everything lives

async function learnRegions() {
  const [list, version] = await Promise.all([regions(), send("", "/version")]);
  known.regions = list;
  known.here = version.region;
  byId("served").textContent =
    `Served by ${version.region} · Meridian ${version.version} · ${version.database}`;
  tellHome();
}

async function learnWorld() {
  const map = byId("map");
  drawWorld(map, null);
  const topology = await send("", "/world.json").catch(() => null);
  drawWorld(map, topology);
  tellHome();
}

/** The sentence, the map and the list: what is known now of here and home. */
function tellHome() {
  if (!known.here) return;
  const [session, looked] = [who(), known.residence];
  const residence = session ?? looked;
  const home = residence?.home.region;
  const here = h("strong", {}, place(known.here));
  const talk = ["You talk to ", here];
  if (residence) {
    const verb = session ? "; your data lives in " : "; your data would live in ";
    talk.push(verb, h("strong", {}, place(home)), " under ", h("strong", {}, residence.law), ".");
  } else {
    talk.push(". Tell where you live, and see where your data would live and under which law.");
  }
  byId("talk").replaceChildren(...talk);
  byId("look").hidden = Boolean(session);
  markRegions(byId("map"), known.regions, known.here, home);
  byId("regions").replaceChildren(...known.regions.map((region) => regionLine(region, home)));
}

function regionLine(region, home) {
  const tags = [
    region.name === known.here && h("span", { class: "tag here" }, "serves this page"),
    region.name === home &&
      h("span", { class: "tag homed" }, who() ? "your home" : "would be your home"),
    region.state !== "active" && h("span", { class: "tag" }, region.state),
  ];
  return h("li", {},
    h("span", {}, h("b", {}, region.place), h("small", {}, region.name)), h("span", {}, tags));
}

/** Asks for the home of a country and says it under the field; the answer, or null. */
async function lookUp(form, box, country) {
  const out = byId(box);
  out.replaceChildren();
  clearProblem(form);
  if (!country) return null;
  try {
    const { data } = await send("", `/v1/residence?country=${encodeURIComponent(country)}`);
    out.replaceChildren(h("p", { class: "law" },
      "Residents of ", h("b", {}, countryName(country)), " are at home in ",
      h("b", {}, `${place(data.home.region)} (${data.home.region})`), `, ${data.jurisdiction}. `,
      "The law: ", h("b", {}, data.law), "."));
    return data;
  } catch (problem) {
    const title = h("b", {}, problem.title);
    out.replaceChildren(h("p", { class: "law no" }, title, ` ${problem.detail}`));
    return null;
  }
}

async function chooseCountry(country, form, box) {
  Object.assign(known, { country, residence: null });
  [byId("country").value, byId("up-country").value] = [country, country];
  const residence = await lookUp(form, box, country);
  // A slow answer about a country that was left meanwhile must not win.
  if (known.country !== country) return;
  known.residence = residence;
  tellHome();
  if (box === "answer" && residence && !who()) {
    const open = () => openDoor("sign-up");
    byId(box).append(
      h("button", { type: "button", class: "secondary", onclick: open }, "Sign up there"));
  }
}

// The door: signing up and logging in

function openDoor(panel, why = "") {
  const door = byId("door");
  byId("door-why").textContent = why;
  byId("door-why").hidden = !why;
  showPanel(panel);
  if (!door.open) door.showModal();
  byId(panel).querySelector("input, select").focus();
}

function showPanel(panel) {
  for (const [tab, name] of [["tab-in", "log-in"], ["tab-up", "sign-up"]]) {
    const chosen = name === panel;
    byId(name).hidden = !chosen;
    byId(tab).setAttribute("aria-selected", chosen);
    byId(tab).tabIndex = chosen ? 0 : -1;
  }
  // A country that was looked up on the page needs no second declaration.
  if (panel === "sign-up" && known.country) {
    chooseCountry(known.country, byId("sign-up"), "up-answer");
  }
}

function setUpDoor() {
  byId("tab-in").addEventListener("click", () => showPanel("log-in"));
  byId("tab-up").addEventListener("click", () => showPanel("sign-up"));
  arrowKeys(byId("tab-in").parentElement);
  byId("door-close").addEventListener("click", () => byId("door").close());
  byId("account").addEventListener("click", () => (who() ? leave() : openDoor("log-in")));
  byId("up-country").addEventListener("change", (event) =>
    chooseCountry(event.target.value, byId("sign-up"), "up-answer"));
  onSubmit("sign-up", async (form) => {
    if (!known.country) throw Problem.field("country", "choose the country where you live");
    known.residence ??= await lookUp(form, "up-answer", known.country);
    if (!known.residence) return;
    await signUp(known.residence, known.country, byId("up-email").value, byId("up-password").value);
    welcome(form);
  });
  onSubmit("log-in", async (form) => {
    await logIn(byId("in-email").value, byId("in-password").value);
    welcome(form);
  });
  if (!canHash()) refuseLogIn();
}

/** Without a secure context there is no hash, and no unhashed address leaves the browser. */
function refuseLogIn() {
  const form = byId("log-in");
  form.querySelector("[type=submit]").disabled = true;
  showProblem(form, new Problem({
    title: "Logging in needs a secure page",
    detail: "Your browser hashes your address only on pages that came over HTTPS or from this " +
      "very machine (http://127.0.0.1). Open this page that way; searching works here as well.",
  }));
}

function welcome(form) {
  form.reset();
  byId("up-answer").replaceChildren();
  byId("answer").replaceChildren();
  byId("door").close();
  say(`Logged in; your data lives in ${place(who().home.region)}`);
}

/** On a shared computer nothing of hers stays, not even in a view that is hidden. */
async function leave() {
  await logOut();
  for (const view of ["view-book", "view-trips", "view-trip"]) {
    byId(view).replaceChildren();
    delete byId(view).dataset.shown;
  }
  location.hash = "#/";
  say("Logged out");
}

/** The address is asked for at home and shown, never kept by the page. */
async function tellWho() {
  const session = who();
  byId("account").textContent = session ? "Log out" : "Log in";
  byId("who").hidden = true;
  tellHome();
  if (!session) return;
  const me = await personal("/v1/travellers/me").catch(() => null);
  if (!me || who()?.token !== session.token) return;
  const home = place(me.data.home_region);
  byId("who").replaceChildren(h("b", {}, me.data.email), h("small", {}, `at home in ${home}`));
  byId("who").hidden = false;
}

// Searching

const search = { finders: {}, found: null, order: "best", shown: SHOWN_AT_ONCE };

async function findPlaces(text, signal) {
  const { data } = await send("", `/v1/places?limit=12&q=${encodeURIComponent(text)}`, { signal });
  // A town without an airport cannot be searched with, and a city and its group of airports are
  // one to a traveller.
  const seen = new Set();
  const fresh = (name) => !seen.has(name) && seen.add(name);
  return data.filter((found) => found.iata && fresh(`${found.name} ${found.iata}`)).slice(0, 8);
}

function setUpSearch() {
  for (const name of ["origin", "destination"]) {
    search.finders[name] = placeFinder(byId(name), findPlaces);
  }
  for (let number = 1; number <= PASSENGERS_MAX; number += 1) {
    byId("passengers").append(h("option", { value: number }, number));
  }
  byId("currency").append(...CURRENCIES.map((code) => h("option", { value: code }, code)));
  for (const [id, ahead] of [["departs", 30], ["returns", 37]]) {
    Object.assign(byId(id), { min: isoDay(0), max: isoDay(HORIZON_DAYS), value: isoDay(ahead) });
  }
  byId("departs").addEventListener("change", ({ target }) => {
    if (byId("returns").value < target.value) byId("returns").value = target.value;
    byId("returns").min = target.value || isoDay(0);
  });
  byId("search").addEventListener("change", () => {
    byId("returns-field").hidden = kind() === "one-way";
  });
  byId("swap").addEventListener("click", () => {
    const { origin, destination } = search.finders;
    const [from, to] = [origin.place(), destination.place()];
    origin.choose(to);
    destination.choose(from);
  });
  onSubmit("search", runSearch);
}

const kind = () => byId("search").elements.kind.value;

async function question() {
  const [from, to] = await Promise.all([
    search.finders.origin.settle(), search.finders.destination.settle(),
  ]);
  const missing = [
    !from && { pointer: "/slices/0/origin", detail: "choose a place from the list" },
    !to && { pointer: "/slices/0/destination", detail: "choose a place from the list" },
  ].filter(Boolean);
  if (missing.length) throw new Problem({ status: 422, title: "Where to?", errors: missing });
  const slice = (origin, destination, departure_date) => ({ origin, destination, departure_date });
  const slices = [slice(from.iata, to.iata, byId("departs").value)];
  if (kind() === "return") slices.push(slice(to.iata, from.iata, byId("returns").value));
  return {
    slices,
    passengers: Number(byId("passengers").value),
    cabin: byId("cabin").value,
    max_connections: byId("direct").checked ? 0 : 1,
    currency: byId("currency").value,
  };
}

async function runSearch() {
  const body = await question();
  // A search is a question, not a deed: it may be repeated.
  const { data } = await send("", "/v1/offer-requests", { method: "POST", body, attempts: 3 });
  const places = ["origin", "destination"].map((name) => search.finders[name].place());
  Object.assign(search, { found: { ...data, body, places }, order: "best", shown: SHOWN_AT_ONCE });
  remember("found", search.found);
  showResults();
  byId("results-title").focus();
}

/** A reload, or the way back from a booking, keeps the question and its answer. */
function restoreSearch() {
  search.found = recall("found");
  if (!search.found) return;
  const { body, places } = search.found;
  search.finders.origin.choose(places[0]);
  search.finders.destination.choose(places[1]);
  for (const name of ["passengers", "cabin", "currency"]) byId(name).value = body[name];
  byId("direct").checked = body.max_connections === 0;
  byId("departs").value = body.slices[0].departure_date;
  if (body.slices[1]) byId("returns").value = body.slices[1].departure_date;
  byId("search").elements.kind.value = body.slices[1] ? "return" : "one-way";
  byId("returns-field").hidden = kind() === "one-way";
  showResults();
}

function showResults() {
  const { offers, body, places, sorting } = search.found;
  byId("results").hidden = false;
  byId("results-title").textContent = `${places[0].name} to ${places[1].name}`;
  const days = body.slices.map((slice) => day(slice.departure_date)).join(" – ");
  const people = count(body.passengers, "passenger");
  const all = `${count(offers.length, "offer")}; prices are for all, everything included.`;
  byId("results-about").textContent = `${days} · ${people}. ${offers.length ? all : ""}`;
  byId("tabs").hidden = !offers.length;
  if (!offers.length) {
    const hint = "Try another day, another cabin, or allow a change.";
    byId("offers").replaceChildren(h("p", { class: "notice" }, `Nothing flies then. ${hint}`));
    return;
  }
  const tabs = [["best", "Best"], ["cheapest", "Cheapest"], ["fastest", "Fastest"]];
  const tab = ([order, label]) => orderTab(order, label, offers, sorting);
  byId("tabs").replaceChildren(...tabs.map(tab));
  showOffers();
}

function orderTab(order, label, offers, sorting) {
  const first = offers.find((offer) => offer.id === sorting[order][0]);
  const minutes = first.slices.reduce((sum, slice) => sum + slice.duration_minutes, 0);
  const choose = () => {
    Object.assign(search, { order, shown: SHOWN_AT_ONCE });
    showOffers();
  };
  const about = `${money(first.total)} · ${duration(minutes)}${first.slices[1] ? " in all" : ""}`;
  return h("button", {
    type: "button", role: "tab", id: `by-${order}`, "aria-controls": "offers", onclick: choose,
  }, h("b", {}, label), h("small", {}, about));
}

function showOffers() {
  const { order, shown, found } = search;
  for (const tab of byId("tabs").children) {
    const chosen = tab.id === `by-${order}`;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
  }
  const offers = new Map(found.offers.map((offer) => [offer.id, offer]));
  const cards = found.sorting[order].slice(0, shown).map((id) => offerCard(offers.get(id)));
  const more = () => {
    search.shown += SHOWN_AT_ONCE;
    showOffers();
    byId("offers").querySelectorAll(".offer .primary")[shown]?.focus();
  };
  const left = found.offers.length - shown;
  const look = { type: "button", class: "secondary wide", onclick: more };
  const button = h("button", look, `Show more (${left})`);
  byId("offers").setAttribute("aria-labelledby", `by-${order}`);
  byId("offers").replaceChildren(...cards, left > 0 ? button : "");
}

function offerCard(offer) {
  const choose = () => {
    remember("offer", { offer, names: search.found.places.map(({ name }) => name) });
    location.hash = "#/book";
  };
  const first = offer.slices[0].segments[0];
  const label = `Choose ${money(offer.total)}, leaving at ${clock(first.departing_at)}`;
  const each = offer.passengers > 1 ? `for ${offer.passengers} passengers` : "for 1 passenger";
  return h("article", { class: "card offer" },
    h("div", {}, offer.slices.map(journey), flights(offer.slices)),
    h("div", { class: "price" },
      h("p", {}, h("b", {}, money(offer.total)), h("small", {}, each)),
      h("button", {
        type: "button", class: "primary", "aria-label": label, onclick: choose,
      }, "Choose")));
}

// The page as a whole

function onSubmit(id, work) {
  const form = byId(id);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(form, () => work(form));
  });
}

/** Arrow keys move between tabs, as people who use them expect. */
function arrowKeys(tablist) {
  tablist.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const tabs = [...tablist.querySelectorAll("[role=tab]")];
    const at = tabs.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    const next = tabs[(at + step + tabs.length) % tabs.length];
    next.click();
    next.focus();
  });
}

/** The part behind the # names a view: it never reaches a server. */
function route(focus = true) {
  const [, view = "", id] = /^#\/(book|trips|trip)?(?:\/(\w+))?$/.exec(location.hash) ?? [];
  if (location.hash && !location.hash.startsWith("#/")) return;
  const name = view || "search";
  for (const section of document.querySelectorAll(".view")) {
    section.hidden = section.id !== `view-${name}`;
  }
  for (const link of document.querySelectorAll("nav a")) {
    const current = link.hash === (name === "search" ? "#/" : "#/trips") && name !== "book";
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  stopWatching();
  const ask = (why) => openDoor("log-in", why);
  if (name === "book") showBooking(byId("view-book"), ask);
  if (name === "trips") showTrips(byId("view-trips"), ask);
  if (name === "trip") showTrip(byId("view-trip"), id, ask);
  if (!focus) return;
  scrollTo(0, 0);
  byId("main").focus({ preventScroll: true });
}

function start() {
  const options = COUNTRIES.map((code) => [countryName(code), code])
    .sort(([a], [b]) => a.localeCompare(b, "en"))
    .map(([name, code]) => h("option", { value: code }, name));
  // Nothing is chosen beforehand: residence is declared by a person, not guessed from a browser.
  for (const id of ["country", "up-country"]) {
    const copies = options.map((option) => option.cloneNode(true));
    byId(id).append(h("option", { value: "" }, "Choose…"), ...copies);
  }
  byId("country").addEventListener("change", (event) =>
    chooseCountry(event.target.value, byId("look"), "answer"));
  setUpDoor();
  setUpSearch();
  arrowKeys(byId("tabs"));
  addEventListener("hashchange", () => route());
  document.addEventListener("session", () => {
    tellWho();
    route(false);
  });
  route(false);
  restoreSearch();
  learnWorld();
  learnRegions().then(tellWho, (problem) => {
    byId("talk").textContent = `${problem.title}. ${problem.detail}`;
  });
}

start();
