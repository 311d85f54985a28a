// Booking an offer, and what becomes of it: everything here is personal and talks to the
// traveller's home only.

import { abandon, act, personal, recall, remember, send, unsettled, who } from "./talk.js";
import {
  busy, charged, count, day, flights, h, isoDay, journey, moment, money, say,
} from "./parts.js";

/** Tokens of the payment sandbox; a card number never comes to this page. */
const TOKENS = [
  ["tok_visa", "Visa that pays"],
  ["tok_decline", "Visa that is declined"],
  ["tok_lost", "Visa whose first answer gets lost"],
];
const AGE_MAX_DAYS = 129 * 365;
const POLL_MS = { first: 500, most: 3_000, held: 5_000 };

const STATES = {
  pending: ["Booking", "wait"],
  held: ["Held for you", "wait"],
  authorized: ["Booking", "wait"],
  confirmed: ["Confirmed", "wait"],
  paid: ["Paid", "wait"],
  ticketed: ["Ticketed", "good"],
  expiring: ["Hold ran out", "bad"],
  expired: ["Hold ran out", "bad"],
  voiding: ["Not booked", "bad"],
  failed: ["Not booked", "bad"],
  cancelling: ["Cancelling", "wait"],
  cancelled: ["Cancelled", "over"],
  refunding: ["Refunding", "wait"],
  refunded: ["Cancelled and refunded", "over"],
  manual_review: ["A person is looking at it", "bad"],
};

const EVENTS = {
  "order.requested": "We have your booking; the seats are set aside",
  "order.held": "The airline keeps your seats",
  "payment.requested": "You asked to pay",
  "payment.authorized": "Money reserved, not taken",
  "payment.failed": "The card was declined",
  "order.confirmed": "The airline confirmed",
  "order.creation_failed": "The airline said no",
  "payment.captured": "Payment taken",
  "ticket.issued": "Tickets issued",
  "payment.voided": "The reserved money was let go",
  "order.expiring": "The time to pay has passed",
  "order.expired": "The seats are free again",
  "order.cancelling": "You asked to cancel",
  "order.cancelled": "The airline cancelled",
  "payment.refunded": "The money is on its way back",
  "order.manual_review": "Passed to a person, who will write to you",
};

/** What is expected next, by state: the event and the state after it. */
const NEXT = {
  authorized: ["order.confirmed", "confirmed"],
  confirmed: ["payment.captured", "paid"],
  paid: ["ticket.issued", "ticketed"],
  voiding: ["payment.voided", "failed"],
  expiring: ["order.expired", "expired"],
  cancelling: ["order.cancelled", "cancelled"],
  refunding: ["payment.refunded", "refunded"],
};

const FAILURES = {
  payment_declined: "The card was declined.",
  sold_out: "The airline had no seats left.",
  price_changed: "The airline's price had changed.",
  provider_refused: "The airline refused the booking.",
};

const FAILED_IN = ["voiding", "failed", "manual_review"];
const RESTS = ["ticketed", "expired", "failed", "cancelled", "refunded", "manual_review"];

const SHORT = { dateStyle: "medium", timeStyle: "short" };

const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const back = (to, text) => h("p", {}, h("a", { class: "back", href: to }, `← ${text}`));
const notice = (...inside) => h("div", { class: "notice" }, ...inside);
const problemBox = () => h("div", { class: "problem", role: "alert" });
const button = (kind, text, onclick) =>
  h("button", { type: onclick ? "button" : "submit", class: kind, onclick }, text);

/** A form whose work runs once at a time. */
function form(properties, work, ...children) {
  const made = h("form", { novalidate: true, ...properties }, ...children);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(made, () => work(made));
  });
  return made;
}

function field(id, label, control) {
  return h("div", { class: "field" }, h("label", { for: id }, label), control);
}

/** What an offer and a booked itinerary have in common. */
function journeyCard({ slices, passengers }, total) {
  const people = h("small", {}, `for ${count(passengers, "passenger")}`);
  return h("div", { class: "card offer" },
    h("div", {}, slices.map(journey), flights(slices)),
    h("div", { class: "price" }, h("p", {}, h("b", {}, money(total)), people)));
}

// Booking

/** The chosen offer with the form that books it. What somebody has typed survives logging in. */
export function showBooking(section, ask) {
  const chosen = recall("offer");
  const lost = unsettled("book");
  const shown = `${chosen?.offer.id} ${lost?.key}`;
  if (section.dataset.shown !== shown || !chosen) {
    section.dataset.shown = shown;
    const title = h("h1", { id: "book-title" }, chosen ? chosen.names.join(" to ") : "Book");
    const parts = bookingParts(chosen, lost, ask);
    section.replaceChildren(back("#/", "Back to the offers"), title, ...parts);
  }
  const home = section.querySelector("#book-home");
  home?.replaceChildren(...homeOfBooking(ask));
}

function bookingParts(chosen, lost, ask) {
  if (lost && lost.body.offer_id !== chosen?.offer.id) return [lostBooking(lost, ask)];
  if (!chosen) return [notice(h("p", {}, "Choose an offer first."))];
  const { offer } = chosen;
  const stands = `The price stands until ${moment(offer.expires_at)}.`;
  const seats = h("p", { class: "soft", role: "status" }, stands);
  lookAgain(offer, seats);
  return [
    journeyCard(offer, offer.total),
    seats,
    h("div", { id: "book-home" }),
    bookingForm(offer, lost, ask),
  ];
}

/** Asks how many seats are left, and whether the price still stands. */
async function lookAgain(offer, line) {
  try {
    const { data } = await send("", `/v1/offers/${offer.id}`);
    if (data.seats_left < 10) line.prepend(h("b", {}, `${count(data.seats_left, "seat")} left. `));
  } catch (problem) {
    if (!problem.unknown) line.replaceChildren(h("b", {}, problem.title), `: ${problem.detail}`);
  }
}

function homeOfBooking(ask) {
  const session = who();
  if (session) {
    const { region } = session.home;
    return [h("p", { class: "soft" },
      `What you enter goes straight to ${region} and lives there, under ${session.law}.`)];
  }
  const why = "To book, say who you are. Your passengers' names will go to your home region only.";
  return [notice(h("p", {}, why), button("secondary", "Log in or sign up", () => ask("")))];
}

function bookingForm(offer, lost, ask) {
  const before = lost?.body;
  const work = async (made) => {
    if (!who()) return ask("Log in or sign up to book; what you have typed stays.");
    // While an outcome is unknown, nothing but the very same request may be sent.
    const body = unsettled("book")?.body ?? bookingBody(made, offer);
    try {
      const order = await act("book", "/v1/orders", body);
      remember("offer", null);
      // The names have reached their home; the page needs them no longer.
      made.reset();
      location.hash = `#/trip/${order.id}`;
    } finally {
      lock(made, Boolean(unsettled("book")));
    }
  };
  const made = form({ class: "card booking" }, work,
    h("fieldset", { class: "all" },
      Array.from({ length: offer.passengers }, (_, at) =>
        passengerFields(at, before?.passengers[at])),
      paymentFields(before)),
    problemBox(),
    h("p", { class: "lost", hidden: true },
      "Nobody knows yet whether this booking arrived. Send it again: it carries the same key, so " +
      "it cannot be booked or charged twice."),
    button("primary wide", `Book for ${money(offer.total)}`));
  made.dataset.label = `Book for ${money(offer.total)}`;
  lock(made, Boolean(lost));
  return made;
}

function lock(made, locked) {
  made.querySelector(".all").disabled = locked;
  made.querySelector(".lost").hidden = !locked;
  made.querySelector("[type=submit]").textContent = locked ? "Send it again" : made.dataset.label;
}

function passengerFields(at, before) {
  const input = (name, label, properties) => {
    const id = `${name}-${at}`;
    const pointer = `/passengers/${at}/${name}`;
    const all = { id, name: id, "data-pointer": pointer, value: before?.[name], ...properties };
    return field(id, label, h("input", all));
  };
  // Only the first passenger is likely to be the one whose browser fills in.
  const fill = (token) => (at === 0 ? token : "off");
  const limits = { min: isoDay(-AGE_MAX_DAYS), max: isoDay(0) };
  return h("fieldset", { class: "passenger" },
    h("legend", {}, `Passenger ${at + 1}`),
    input("given_name", "Given names", { autocomplete: fill("given-name") }),
    input("family_name", "Family name", { autocomplete: fill("family-name") }),
    input("born_on", "Date of birth", { type: "date", autocomplete: fill("bday"), ...limits }));
}

function paymentFields(before) {
  const hold = before?.type === "hold";
  const token = tokenField("token", before?.payment?.token);
  token.hidden = hold;
  const choice = (value, title, about) =>
    h("label", { class: "choice" },
      h("input", {
        type: "radio", name: "type", value, checked: (value === "hold") === hold,
        onchange: () => (token.hidden = value === "hold"),
      }),
      h("span", {}, h("b", {}, title), h("small", {}, about)));
  return h("fieldset", { class: "payment" },
    h("legend", {}, "Payment"),
    choice("instant", "Pay now", "The seats are booked and ticketed at once."),
    choice("hold", "Hold and pay later",
      "The airline keeps the seats for a while; nothing is charged."),
    token);
}

function tokenField(id, chosen) {
  const options = TOKENS.map(([token, label]) =>
    h("option", { value: token, selected: token === chosen }, `${label} (${token})`));
  const select = h("select", { id, name: "token", "data-pointer": "/payment/token" }, options);
  return field(id, "Test card", select);
}

function bookingBody(made, offer) {
  const value = (name) => made.elements[name].value;
  const passengers = Array.from({ length: offer.passengers }, (_, at) => ({
    given_name: value(`given_name-${at}`),
    family_name: value(`family_name-${at}`),
    born_on: value(`born_on-${at}`),
  }));
  const body = { type: value("type"), offer_id: offer.id, passengers };
  return body.type === "instant" ? { ...body, payment: { token: value("token") } } : body;
}

/** An earlier booking whose answer never came: it is settled before the next one begins. */
function lostBooking(lost, ask) {
  const again = async () => {
    if (!who()) return ask("Log in to send your booking again.");
    const order = await act("book", "/v1/orders", lost.body);
    location.hash = `#/trip/${order.id}`;
  };
  const forget = () => {
    abandon("book");
    location.hash = "#/trips";
  };
  return form({ class: "notice" }, again,
    h("p", {}, h("b", {}, "An earlier booking has no known outcome.")),
    h("p", {}, "Send it again: it carries the same key, so it cannot be booked or charged twice. " +
      "Or look at your trips first, and forget it if it is among them."),
    problemBox(),
    h("div", { class: "actions" },
      button("primary", "Send it again"),
      h("a", { class: "secondary", href: "#/trips" }, "Look at my trips"),
      button("quiet", "Forget it", forget)));
}

// Trips

let watch = 0;

/** Ends the watching of an order: another view is shown, or another order. */
export function stopWatching() {
  watch += 1;
}

/** All orders, newest first. */
export async function showTrips(section, ask) {
  const mine = watch;
  const title = h("h1", { id: "trips-title" }, "My trips");
  if (!who()) return section.replaceChildren(title, loggedOut(ask));
  section.replaceChildren(title, h("p", { class: "soft" }, `Asking ${who().home.region}…`));
  const parts = [];
  try {
    const { data } = await personal("/v1/orders");
    parts.push(...data.map(tripLine));
    const search = h("a", { href: "#/" }, "Search for one");
    if (!data.length) parts.push(notice(h("p", {}, "No trips yet. ", search, ".")));
  } catch (problem) {
    parts.push(notice(h("b", {}, problem.title), h("p", {}, problem.detail)));
  }
  if (mine !== watch || !who()) return;
  const lost = unsettled("book");
  section.replaceChildren(title, ...(lost ? [lostBooking(lost, ask)] : []), ...parts);
}

const loggedOut = (ask) => notice(
  h("p", {}, "Your trips live in your home region. Log in to see them."),
  button("primary", "Log in", () => ask("")));

function stateTag(state) {
  const [label, tone] = STATES[state] ?? [state, "wait"];
  return h("span", { class: `tag ${tone}` }, label);
}

const ends = ({ slices }) => `${slices[0].origin} to ${slices[0].destination}`;

function tripLine(order) {
  const leaves = (slice) => day(slice.segments[0].departing_at);
  const days = order.itinerary.slices.map(leaves).join(" – ");
  return h("a", { class: "card trip", href: `#/trip/${order.id}` },
    h("span", {}, h("b", {}, ends(order.itinerary)), h("small", {}, days)),
    h("span", {}, stateTag(order.state), h("small", {}, money(order.total))));
}

/** One order, watched until nothing moves any more. */
export async function showTrip(section, id, ask) {
  const title = h("h1", { id: "trip-title" }, "Your trip");
  const head = [back("#/trips", "My trips"), title];
  if (!who()) return section.replaceChildren(...head, loggedOut(ask));
  if (section.dataset.shown !== id) {
    section.replaceChildren(...head, h("p", { class: "soft" }, "Asking…"));
  }
  section.dataset.shown = id;
  await follow(section, id);
}

async function follow(section, id) {
  stopWatching();
  const mine = watch;
  let [version, pause] = [-1, POLL_MS.first];
  while (mine === watch) {
    const order = document.hidden ? null : await lookAt(section, id, mine, version);
    if (order === false || (order && RESTS.includes(order.state))) return;
    if (order && order.version !== version) [version, pause] = [order.version, POLL_MS.first];
    await sleep(order?.state === "held" && settledHold(section) ? POLL_MS.held : pause);
    pause = Math.min(pause * 1.5, POLL_MS.most);
  }
}

const settledHold = (section) => section.querySelector(".timeline [data-next]") === null;

/** One look: paints what is new. `false` when looking again makes no sense. */
async function lookAt(section, id, mine, version) {
  try {
    const { data: order } = await personal(`/v1/orders/${id}`);
    if (mine !== watch) return false;
    if (order.version === version) return order;
    const { data: events } = await personal(`/v1/orders/${id}/events`);
    if (mine === watch) paint(section, order, events);
    return order;
  } catch (problem) {
    if (mine !== watch) return false;
    section.querySelector(".away")?.remove();
    section.append(notice(h("b", {}, problem.title), h("p", {}, problem.detail)));
    section.lastChild.classList.add("away");
    return problem.unknown ? null : false;
  }
}

function paint(section, order, events) {
  const focused = section.contains(document.activeElement);
  const [label] = STATES[order.state] ?? [order.state];
  section.replaceChildren(
    back("#/trips", "My trips"),
    h("div", { class: "title" },
      h("h1", { id: "trip-title", tabindex: "-1" }, ends(order.itinerary)), stateTag(order.state)),
    journeyCard(order.itinerary, order.total),
    h("div", { class: "columns" },
      h("div", { class: "card" }, h("h2", {}, "What happened"), timeline(order, events)),
      h("div", {}, facts(order, events.at(-1)?.kind), actions(section, order, events))));
  if (focused) section.querySelector("#trip-title").focus();
  say(`${label}. ${charged(order.charged)}`);
}

function timeline(order, events) {
  const done = events.map((event, at) => {
    const time = new Date(event.created_at);
    return h("li", { class: at === events.length - 1 ? "done last" : "done" },
      h("span", {}, EVENTS[event.kind] ?? event.kind),
      h("small", {}, h("time", { datetime: event.created_at }, time.toLocaleString("en-GB")),
        ` · ${event.kind}`));
  });
  const next = expected(order, events.at(-1)?.kind).map((kind) =>
    h("li", { "data-next": kind }, h("span", {}, EVENTS[kind])));
  return h("ol", { class: "timeline" }, done, next);
}

/** The events that are still to come if nothing goes wrong; none where the traveller must act. */
function expected(order, last) {
  const kinds = [];
  let { state } = order;
  const paying = state === "held" ? last === "payment.requested" : state === "pending";
  if (state === "pending" && order.kind === "hold") kinds.push("order.held");
  else if (paying) {
    kinds.push("payment.authorized");
    state = "authorized";
  }
  while (NEXT[state]) {
    kinds.push(NEXT[state][0]);
    state = NEXT[state][1];
  }
  return kinds;
}

function facts(order, last) {
  const row = (name, value) => value && [h("dt", {}, name), h("dd", {}, value)];
  const { home_region: home, basis } = order.residency;
  // An order keeps its last failure, also when a second card has paid since.
  const failed = order.failure &&
    (order.state === "held" ? last === "payment.failed" : FAILED_IN.includes(order.state));
  const due = order.state === "held" && order.payment_required_by;
  const locator = order.booking_reference;
  return h("div", { class: "card" },
    failed && h("p", { class: "law no" }, FAILURES[order.failure] ?? order.failure),
    h("p", {}, h("b", {}, charged(order.charged))),
    h("dl", {},
      row("Booking reference", locator && h("b", { class: "code" }, locator)),
      row("Tickets", order.documents.join(", ")),
      row("Pay by", due && new Date(due).toLocaleString("en-GB", SHORT)),
      row("Lives in", `${home}, because of your ${basis}`)));
}

function actions(section, order, events) {
  const under = unsettled(`pay.${order.id}`);
  const paying = events.at(-1)?.kind === "payment.requested";
  const may = (action) => order.available_actions.includes(action) && !paying;
  const done = () => follow(section, order.id);
  const pay = async () => {
    const payment = { token: section.querySelector("#pay-token").value };
    await act(`pay.${order.id}`, "/v1/payments", under?.body ?? { order_id: order.id, payment });
    done();
  };
  // The quote is kept until its outcome is known: a confirmation that is sent again must be the same.
  const cancel = async (quote) => {
    await act(`cancel.${quote.id}`, `/v1/order-cancellations/${quote.id}/confirm`, undefined,
      quote.order_etag);
    done();
  };
  const accept = async () => {
    await act(`accept.${order.id}.${order.version}`, `/v1/orders/${order.id}/airline-change/accept`,
      undefined, `"order-${order.version}"`);
    done();
  };
  return [
    may("pay") && form({ class: "card" }, pay,
      tokenField("pay-token", under?.body.payment.token), problemBox(),
      button("primary wide", `Pay ${money(order.total)}`)),
    may("accept_airline_change") && form({ class: "card accept" }, accept,
      h("p", {}, "The airline has moved this journey. As it would be now:"),
      flights(order.airline_change.slices),
      problemBox(), button("primary wide", "Take the new times")),
    may("cancel") && cancelling(order, cancel),
  ];
}

/** First what it gives back, then the button that does it. */
function cancelling(order, cancel) {
  const quoted = h("div", {});
  const ask = async () => {
    const options = { method: "POST", body: { order_id: order.id } };
    const { data: quote } = await personal("/v1/order-cancellations", options);
    const back = quote.refund.amount_minor > 0
      ? `${money(quote.refund)} goes back to where it came from` : "No money goes back";
    const kept = quote.fee.amount_minor > 0 ? `; the airline keeps ${money(quote.fee)}` : "";
    quoted.replaceChildren(form({}, () => cancel(quote),
      h("p", {}, `${back}${kept}. The seats are given back.`),
      problemBox(), button("danger", "Cancel it for good")));
    questions.remove();
  };
  const questions = form({}, ask, problemBox(), button("quiet", "What would I get back?"));
  return h("details", { class: "cancel" },
    h("summary", {}, "Cancel this trip"), questions, quoted);
}
