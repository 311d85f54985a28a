// Talking to regions: which one, with what token, and what happens when the answer is no or does
// not come. Nothing here knows how the page looks.

/** Milliseconds; a node gives up after ten seconds, so a longer silence is the network's. */
const PATIENCE_MS = 12_000;
/** Attempts at what may safely be repeated. */
const ATTEMPTS_MAX = 3;
const PAUSE_MS = 400;
/** sessionStorage ends with the tab: a shared computer keeps nobody logged in. */
const PREFIX = "meridian.";

/** What a region answered instead of what was asked, or why no answer came (status 0). */
export class Problem extends Error {
  constructor(details) {
    super(details.detail ?? details.title);
    Object.assign(this, { status: 0, title: "That did not work", errors: [] }, details);
  }

  /** Whether the request may have been carried out although no answer says so. */
  get unknown() {
    return this.status === 0 || this.status >= 500;
  }

  /** A problem that the page itself sees with one field. */
  static field(pointer, detail) {
    const title = "Something is missing";
    return new Problem({ status: 422, title, errors: [{ pointer, detail }] });
  }
}

export function recall(name) {
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    if (value === null) sessionStorage.removeItem(PREFIX + name);
    else sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Storage may be forbidden; then the page forgets with the next reload and works until then.
  }
}

function forgetAll() {
  try {
    const ours = Object.keys(sessionStorage).filter((name) => name.startsWith(PREFIX));
    ours.forEach((name) => sessionStorage.removeItem(name));
  } catch {
    // Forbidden storage has nothing to forget.
  }
}

const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

let regionList;
/** Every region; asked once. */
export function regions() {
  regionList ??= send("", "/v1/regions").then((body) => body.data);
  regionList.catch(() => (regionList = undefined));
  return regionList;
}

/** A token and a name go only to a region of the list, whatever an answer says. */
async function isRegion(url) {
  const list = await regions();
  return list.some((region) => region.url === url);
}

function request(base, path, options) {
  const { method = "GET", body, headers = {}, token, signal } = options;
  const timeout = AbortSignal.timeout(PATIENCE_MS);
  return fetch(base + path, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: {
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
      ...headers,
    },
    // The home is often another origin, where cookies do not go: the bearer is the one way for all.
    credentials: "omit",
    redirect: "error",
    referrerPolicy: "no-referrer",
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  });
}

async function once(base, path, options) {
  let response;
  try {
    response = await request(base, path, options);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem({
      title: "No answer",
      detail: "The region cannot be reached. Check your connection and try again.",
    });
  }
  if (response.status === 204) return null;
  const body = await response.json().catch(() => null);
  if (response.ok && body) return body;
  if (options.signal?.aborted) throw new DOMException("Not wanted any more", "AbortError");
  const status = response.ok ? 0 : response.status;
  throw new Problem({ title: "Something went wrong", detail: "Try again.", ...body, status });
}

/**
 * Sends a request; repeats it where that is safe, and follows 421 to the home of the data.
 * `base` is a region's origin, or "" for the region that served the page.
 */
export async function send(base, path, options = {}) {
  const attempts = options.attempts ?? (options.method ? 1 : ATTEMPTS_MAX);
  let [target, moved] = [base, false];
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once(target, path, options);
    } catch (problem) {
      if (problem.status === 421 && problem.home && !moved && (await isRegion(problem.home.url))) {
        [target, moved] = [problem.home.url, true];
        options.onMoved?.(problem.home);
      } else if (!problem.unknown || attempt >= attempts) {
        throw problem;
      } else {
        await sleep(PAUSE_MS * 3 ** (attempt - 1));
      }
    }
  }
}

let session = recall("session");
/** Who is logged in: `{ token, home: { region, url }, jurisdiction, law }`, or null. */
export const who = () => session;

/** Opens or, with null, ends the session of this tab, and tells the page. */
export function enter(next) {
  session = next;
  remember("session", next);
  document.dispatchEvent(new Event("session"));
}

/** A request about the traveller: to her home, with her token. */
export async function personal(path, options = {}) {
  if (!session) throw new Problem({ status: 401, title: "Log in first", detail: "" });
  const { token } = session;
  const onMoved = (home) => enter({ ...session, home });
  try {
    return await send(session.home.url, path, { ...options, token, onMoved });
  } catch (problem) {
    if (problem.status === 401 && session?.token === token) enter(null);
    throw problem;
  }
}

/** Signs up in the home of a country; `residence` is what GET /v1/residence answered for it. */
export async function signUp(residence, country, email, password) {
  const headers = { "Residence-Country": country };
  const options = { method: "POST", headers, body: { email, password } };
  options.onMoved = (home) => (residence = { ...residence, home });
  const { data } = await send(residence.home.url, "/v1/travellers", options);
  enter({ token: data.token, ...residence });
}

/** Finds the home of an address by its hash, so that the address itself goes only there. */
export async function logIn(email, password) {
  const headers = { "Meridian-Subject": await sha256(email.trim().toLowerCase()) };
  let { data: residence } = await send("", "/v1/residence", { headers });
  const options = { method: "POST", body: { email, password } };
  options.headers = { "Meridian-Home": residence.home.region };
  options.onMoved = (home) => (residence = { ...residence, home });
  const { data } = await send(residence.home.url, "/v1/sessions", options);
  enter({ token: data.token, ...residence });
}

/** Ends the session at home too; without a connection it ends by itself there. */
export async function logOut() {
  await personal("/v1/sessions/current", { method: "DELETE" }).catch(() => null);
  forgetAll();
  enter(null);
}

/** Browsers hash only on pages that nobody could have changed on their way. */
export const canHash = () => Boolean(globalThis.crypto?.subtle);

async function sha256(text) {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** `randomUUID` is missing where `canHash` is false; random values never are. */
function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** What was sent under a name and has no known outcome yet: `{ key, body }`, or null. */
export const unsettled = (name) => recall(`intent.${name}`);

/** Gives an intent up, whatever became of it. */
export const abandon = (name) => remember(`intent.${name}`, null);

/**
 * Asks for something that must happen at most once. The key is stored with the intent before the
 * first byte leaves, and every repetition carries it, also after a reload, until the outcome is
 * known. `seen` is the tag of the order as it was shown.
 */
export async function act(name, path, body, seen) {
  let intent = unsettled(name);
  if (!intent || JSON.stringify(intent.body) !== JSON.stringify(body ?? null)) {
    intent = { key: uuid(), body: body ?? null };
    remember(`intent.${name}`, intent);
  }
  const headers = { "Idempotency-Key": intent.key };
  if (seen) headers["If-Match"] = seen;
  const options = { method: "POST", body, headers, attempts: ATTEMPTS_MAX };
  try {
    const { data } = await personal(path, options);
    abandon(name);
    return data;
  } catch (problem) {
    // Logged out is no outcome: the first attempt may have arrived before the session ended.
    if (!problem.unknown && problem.status !== 401) abandon(name);
    throw problem;
  }
}
