// What the page is made of: elements, money and times in words, errors beside their fields, the
// place finder and the map. Nothing here talks to a region by itself.

/** Errors and detail of unknown places stay text: nothing is ever parsed as HTML. */
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child || child === 0));
  return node;
}

export const byId = (id) => document.getElementById(id);

/**
 * The minor units of ISO 4217 where they are not 2, as the server counts. A browser's own table is
 * no help: it says how people write prices, and gives HUF and IDR none, which would show a price a
 * hundred times too high.
 */
const EXPONENTS = new Map([
  ..."BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
    .split(" ").map((code) => [code, 0]),
  ..."BHD IQD JOD KWD LYD OMR TND".split(" ").map((code) => [code, 3]),
  ..."CLF UYW".split(" ").map((code) => [code, 4]),
]);

/** A price from its minor units. */
export function money({ amount_minor, currency }) {
  const digits = EXPONENTS.get(currency) ?? 2;
  return new Intl.NumberFormat("en", {
    style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits,
  }).format(amount_minor / 10 ** digits);
}

export const countryName = (code) =>
  new Intl.DisplayNames(["en"], { type: "region" }).of(code) ?? code;

// Wall clocks come without a zone and are shown as they are; UTC only keeps the browser's zone out.
const wall = (local) => new Date(`${local.slice(0, 10)}T00:00:00Z`);
const DAY_MS = 86_400_000;
const DAY = { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" };

export const clock = (local) => local.slice(11, 16);
export const day = (local) => wall(local).toLocaleDateString("en-GB", DAY);
export const moment = (instant) =>
  new Date(instant).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

export function duration(minutes) {
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  const parts = [hours ? `${hours}\u00a0h` : "", rest || !hours ? `${rest}\u00a0min` : ""];
  return parts.filter(Boolean).join("\u00a0");
}

export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

/** Today and later as date inputs want it, in the traveller's own calendar. */
export function isoDay(daysAhead) {
  const date = new Date();
  date.setDate(date.getDate() + daysAhead);
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** An arrival's clock with the days that lie between, as `14:55 +1`. */
export function arrival(departs, arrives) {
  const days = Math.round((wall(arrives) - wall(departs)) / DAY_MS);
  if (days === 0) return [clock(arrives)];
  const words = `${count(Math.abs(days), "day")} ${days > 0 ? "later" : "earlier"}`;
  const sign = days > 0 ? "+" : "−";
  const mark = h("sup", { "aria-hidden": "true", title: words }, `${sign}${Math.abs(days)}`);
  return [clock(arrives), mark, h("span", { class: "sr" }, ` ${words}`)];
}

/** Where a direction changes and for how long; "Direct" when it does not. */
export function changes(slice) {
  const stops = slice.segments.slice(1).map((next, index) => {
    const before = slice.segments[index];
    const minutes = (new Date(next.departs) - new Date(before.arrives)) / 60_000;
    const across = before.destination === next.origin ? "" : ` to ${next.origin}`;
    return `${before.destination}${across} (${duration(minutes)})`;
  });
  return stops.length ? `${count(stops.length, "change")} in ${stops.join(", ")}` : "Direct";
}

/** One direction: two clocks, a line between them, and what lies on it. */
export function journey(slice) {
  const [first, last] = [slice.segments[0], slice.segments.at(-1)];
  const carriers = [...new Set(slice.segments.map((segment) => segment.carrier))].join(", ");
  const dots = slice.segments.slice(1).map(() => h("i", {}));
  return h("div", { class: "journey" },
    h("p", { class: "end" },
      h("b", {}, clock(first.departing_at)), h("span", {}, slice.origin)),
    h("p", { class: "way" },
      h("span", {}, duration(slice.duration_minutes)),
      h("span", { class: "line", "aria-hidden": "true" }, dots),
      h("span", { class: dots.length ? "" : "direct" }, changes(slice))),
    h("p", { class: "end" },
      h("b", {}, arrival(first.departing_at, last.arriving_at)),
      h("span", {}, slice.destination)),
    h("p", { class: "carriers" }, `${day(first.departing_at)} · ${carriers}`));
}

/** Every flight of an itinerary with its number, for those who want to know. */
export function flights(slices) {
  const rows = slices.flatMap((slice) => slice.segments).map((segment) =>
    h("li", {},
      h("b", { class: "code" }, segment.flight),
      ` ${segment.carrier}, ${day(segment.departing_at)}: `,
      `${clock(segment.departing_at)} ${segment.origin} – `,
      arrival(segment.departing_at, segment.arriving_at), ` ${segment.destination}`,
      h("small", {}, ` local times, ${segment.miles.toLocaleString("en")} miles`)));
  return h("details", { class: "flights" }, h("summary", {}, "Flights"), h("ul", {}, rows));
}

const CHARGED = {
  no: "Nothing was charged.",
  yes: "Your card was charged.",
  unknown: "Whether your card was charged is not known yet.",
};
export const charged = (word) => CHARGED[word] ?? "";

/** Takes away what `showProblem` wrote. */
export function clearProblem(form) {
  form.querySelector(".problem")?.replaceChildren();
  form.querySelectorAll(".field-error").forEach((note) => note.remove());
  form.querySelectorAll("[aria-invalid]").forEach((input) => {
    input.removeAttribute("aria-invalid");
    const hint = input.dataset.hint;
    if (hint) input.setAttribute("aria-describedby", hint);
    else input.removeAttribute("aria-describedby");
  });
}

/** Puts each error beside the field that its pointer names, and all the rest above the button. */
export function showProblem(form, problem) {
  clearProblem(form);
  if (problem.name === "AbortError") return;
  const errors = problem.errors ?? [];
  const homeless = errors.filter((error) => !besideField(form, error));
  const marked = errors.length > 0 && homeless.length === 0;
  const title = marked ? "Please look at the marked fields." : problem.title;
  form.querySelector(".problem")?.replaceChildren(h("div", {},
    h("strong", {}, title ?? "This page made a mistake"),
    !errors.length && h("p", {}, problem.detail),
    homeless.map((error) => h("p", {}, `${error.pointer}: ${error.detail}`)),
    problem.charged && h("p", {}, charged(problem.charged)),
    !marked && problem.request_id && h("small", {}, `Request ${problem.request_id}`)));
  form.querySelector("[aria-invalid]")?.focus();
  // Not an answer of a region but a bug of ours: the console keeps the trace.
  if (problem.status === undefined) console.error(problem);
}

function besideField(form, { pointer, detail }) {
  const input = form.querySelector(`[data-pointer="${CSS.escape(pointer)}"]`);
  const field = input?.closest(".field");
  if (!field || field.hidden) return false;
  const id = `${input.id}-error`;
  field.append(h("p", { class: "field-error", id }, sentence(detail)));
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", [input.dataset.hint, id].filter(Boolean).join(" "));
  return true;
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Runs the work of a form once at a time, and shows on its button that it runs. */
export async function busy(form, work) {
  if (form.getAttribute("aria-busy") === "true") return;
  const button = form.querySelector("[type=submit]");
  form.setAttribute("aria-busy", "true");
  button.setAttribute("aria-disabled", "true");
  clearProblem(form);
  try {
    await work();
  } catch (problem) {
    showProblem(form, problem);
  } finally {
    form.removeAttribute("aria-busy");
    button.removeAttribute("aria-disabled");
  }
}

/** Says something to those who hear the page. */
export function say(text) {
  byId("said").textContent = text;
}

const TYPING_PAUSE_MS = 120;

/**
 * An editable combobox with automatic selection (WAI-ARIA Authoring Practices, list autocomplete).
 * `lookUp(text, signal)` answers places; `.settle()` answers the chosen one, or null.
 */
export function placeFinder(input, lookUp) {
  const list = byId(input.getAttribute("aria-controls"));
  const state = { places: [], active: -1, chosen: null, timer: 0, asking: null };
  const close = () => {
    clearTimeout(state.timer);
    state.asking?.abort();
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    Object.assign(state, { places: [], active: -1 });
  };
  const choose = (place) => {
    state.chosen = place;
    input.value = place ? `${place.name} (${place.iata})` : "";
    close();
  };
  const mark = (index) => {
    state.active = index;
    [...list.children].forEach((each, at) => each.setAttribute("aria-selected", at === index));
    const option = list.children[index];
    option?.scrollIntoView({ block: "nearest" });
    if (option?.id) input.setAttribute("aria-activedescendant", option.id);
  };
  const open = (places) => {
    state.places = places;
    list.replaceChildren(...places.map((place, at) => placeOption(input, place, at, choose)));
    const none = "No place of that name has flights";
    if (!places.length) list.append(h("li", { class: "none" }, none));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(places.length ? 0 : -1);
    say(places.length ? `${count(places.length, "place")} found` : "No place found");
  };
  const ask = () => {
    const typed = input.value.trim();
    close();
    state.chosen = null;
    if (!typed) return;
    state.asking = new AbortController();
    const { signal } = state.asking;
    state.timer = setTimeout(() => lookUp(typed, signal).then(open, () => {}), TYPING_PAUSE_MS);
  };
  input.addEventListener("input", ask);
  input.addEventListener("focus", () => input.select());
  input.addEventListener("blur", () => {
    if (state.active >= 0) choose(state.places[state.active]);
    else close();
  });
  input.addEventListener("keydown", (event) =>
    finderKey(event, state, { mark, choose, close, ask }));
  // Who types and sends at once means the first place, as if the list had opened in time.
  const settle = async () => {
    const typed = input.value.trim();
    if (!state.chosen && typed) choose((await lookUp(typed))[0] ?? null);
    return state.chosen;
  };
  return { place: () => state.chosen, choose, settle };
}

function finderKey(event, state, { mark, choose, close, ask }) {
  const many = state.places.length;
  const keys = {
    ArrowDown: () => (many ? mark((state.active + 1) % many) : ask()),
    ArrowUp: () => many && mark((state.active - 1 + many) % many),
    Enter: () => many && choose(state.places[state.active]),
    Escape: () => (many ? close() : choose(null)),
  };
  const act = keys[event.key];
  if (!act || event.isComposing) return;
  // Enter without a list sends the form, as in any other field.
  if (event.key !== "Enter" || many) event.preventDefault();
  act();
}

function placeOption(input, place, at, choose) {
  const kinds = { metro: "All airports", airport: "Airport", city: "City" };
  const option = h("li", { role: "option", id: `${input.id}-${at}`, "aria-selected": "false" },
    h("span", {},
      h("b", {}, place.name), h("small", {}, `${kinds[place.kind]} · ${place.country}`)),
    h("span", { class: "code" }, place.iata));
  // The mouse button goes down before the field loses its focus; a click would come too late.
  option.addEventListener("mousedown", (event) => {
    event.preventDefault();
    choose(place);
  });
  return option;
}

const [WIDTH, HEIGHT, MIDDLE] = [960, 420, 236];

/** Equal Earth (Šavrič, Patterson, Jenny 2018): no continent looks bigger than it is. */
function project([longitude, latitude]) {
  const [a1, a2, a3, a4] = [1.340264, -0.081106, 0.000893, 0.003796];
  const [lambda, phi] = [(longitude * Math.PI) / 180, (latitude * Math.PI) / 180];
  const t = Math.asin((Math.sqrt(3) / 2) * Math.sin(phi));
  const [t2, t6] = [t * t, t ** 6];
  const slope = a1 + 3 * a2 * t2 + t6 * (7 * a3 + 9 * a4 * t2);
  const x = (2 * lambda * Math.cos(t)) / (Math.sqrt(3) * slope);
  const y = t * (a1 + a2 * t2 + t6 * (a3 + a4 * t2));
  const scale = WIDTH / 5.42;
  return [WIDTH / 2 + x * scale, MIDDLE - y * scale];
}

const pair = (point) => point.map((number) => number.toFixed(1)).join(",");
const path = (points) => points.map(pair).join("L");

/** A ring that crosses the 180th meridian goes on beyond it, instead of back around the world. */
function unbroken(ring) {
  let turn = 0;
  const points = ring.map(([longitude, latitude], at) => {
    const step = at ? longitude - ring[at - 1][0] : 0;
    if (Math.abs(step) > 180) turn -= 360 * Math.sign(step);
    return [longitude + turn, latitude];
  });
  const middle = points.reduce((sum, [longitude]) => sum + longitude, 0) / points.length;
  const back = Math.abs(middle) > 180 ? 360 * Math.sign(middle) : 0;
  return points.map(([longitude, latitude]) => [longitude - back, latitude]);
}

/** The outlines of a TopoJSON object: neighbours share arcs, and arcs are whole-number steps. */
function outlines(topology, name) {
  const { scale, translate } = topology.transform;
  const arcs = topology.arcs.map((arc) => {
    const at = [0, 0];
    return arc.map((step) => step.map((d, i) => (at[i] += d) * scale[i] + translate[i]));
  });
  const along = (index) => (index < 0 ? arcs[~index].toReversed() : arcs[index]);
  const ring = (indices) =>
    unbroken(indices.flatMap((index, at) => along(index).slice(at ? 1 : 0)));
  const polygons = { Polygon: (shape) => [shape.arcs], MultiPolygon: (shape) => shape.arcs };
  return topology.objects[name].geometries
    .filter((shape) => shape.properties?.name !== "Antarctica")
    .flatMap((shape) => polygons[shape.type](shape))
    .flatMap((polygon) => polygon.map(ring));
}

function graticule() {
  const lines = [];
  for (let longitude = -180; longitude <= 180; longitude += 30) {
    const latitudes = Array.from({ length: 29 }, (_, step) => -56 + step * 5);
    lines.push(`M${path(latitudes.map((latitude) => project([longitude, latitude])))}`);
  }
  return svg("path", { class: "graticule", d: lines.join("") });
}

/** Draws the world behind the regions; without land it is still a map of the regions. */
export function drawWorld(map, topology) {
  const land = topology
    ? outlines(topology, "countries").map((ring) => `M${path(ring.map(project))}Z`).join("")
    : "";
  const marks = svg("g", { class: "marks" });
  map.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  map.replaceChildren(graticule(), svg("path", { class: "land", d: land }), marks);
}

const spot = (region) => project([region.longitude, region.latitude]);

/** Marks the regions: the one that serves the page, the traveller's home, and the way between. */
export function markRegions(map, list, here, home) {
  const parts = [];
  const [from, to] = [here, home].map((name) => list.find((region) => region.name === name));
  if (from && to && from !== to) {
    const [[x1, y1], [x2, y2]] = [spot(from), spot(to)];
    const lift = Math.min(y1, y2) - Math.abs(x2 - x1) / 4 - 12;
    const d = `M${x1},${y1}Q${(x1 + x2) / 2},${lift} ${x2},${y2}`;
    parts.push(svg("path", { class: "way", d }));
  }
  for (const region of list) {
    const [x, y] = spot(region);
    const crowded = list.some((other) => {
      const [dx, dy] = spot(other).map((n, i) => n - [x, y][i]);
      return dx > 0 && dx < 120 && Math.abs(dy) < 60;
    });
    const is = [region.name === here && "here", region.name === home && "home"].filter(Boolean);
    const [side, anchor] = crowded ? [-19, "end"] : [19, "start"];
    parts.push(svg("g", { class: `region ${is.join(" ")} ${region.state}` },
      is.length ? svg("circle", { class: "halo", cx: x, cy: y, r: 13 }) : null,
      svg("circle", { cx: x, cy: y, r: 6 }),
      svg("text", { x: x + side, y: y + 5, "text-anchor": anchor }, region.place)));
  }
  map.querySelector(".marks").replaceChildren(...parts);
}
