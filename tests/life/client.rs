//! A correct client of the house: it finds its region by DNS and honours the time to live, goes on
//! to the next address when nobody is there, goes home when it is sent home, and sends the same
//! request again when it was told to or was cut off. What fails after that has failed.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use meridian::clock::{Clock, Deadline};
use meridian_geo_routing::{Subnet, resolve};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::figures::{Failure, Figures};
use crate::files::region_at;

/// Longest that a client begins to try again: a traveller waits a few seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);
/// Longest wait for one answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
/// Pause before the same is sent again, if the answer does not name one.
const PAUSE: Duration = Duration::from_millis(150);
/// Longest pause that a client lets itself be told.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Times that a client lets itself be sent home at once; then it takes a breath.
const HOPS_MAX: u32 = 3;

/// Whom a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Whoever is nearest.
    Nearest,
    /// A home region.
    Home(String),
}

/// A request, ready to be sent again.
pub(crate) struct Ask {
    pub(crate) what: &'static str,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) token: Option<String>,
    pub(crate) body: Option<Value>,
    /// The answer that it should have.
    pub(crate) wants: u16,
    /// Codes of refusals that are as good an answer.
    pub(crate) or: &'static [&'static str],
    /// It names its home in a header, as log-ins do.
    pub(crate) names_home: bool,
}

impl Ask {
    pub(crate) fn get(what: &'static str, path: impl Into<String>) -> Self {
        Self {
            what,
            method: Method::GET,
            path: path.into(),
            headers: Vec::new(),
            token: None,
            body: None,
            wants: 200,
            or: &[],
            names_home: false,
        }
    }

    pub(crate) fn post(what: &'static str, path: &str, body: Value) -> Self {
        Self { method: Method::POST, body: Some(body), wants: 201, ..Self::get(what, path) }
    }
}

/// An answer that was wanted.
pub(crate) struct Answer {
    /// It is one of the refusals that are as good.
    pub(crate) refused: bool,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn text(&self, pointer: &str) -> String {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// What became of one try.
enum Try {
    Done(Answer),
    /// Retrying does not help.
    Wrong,
    Again(Duration),
}

/// Where a request has been, and what was in its way last.
#[derive(Default)]
struct Trail {
    /// Home, as soon as it is known; before that, where nearness led.
    region: String,
    at_home: bool,
    reason: String,
    hops: u32,
}

/// A client in a network.
pub(crate) struct Client {
    http: reqwest::Client,
    dns: SocketAddr,
    port: u16,
    subnet: Subnet,
    remembered: HashMap<String, (Vec<IpAddr>, Instant)>,
    turn: usize,
    pub(crate) figures: Arc<Figures>,
}

impl Client {
    pub(crate) fn new(
        dns: SocketAddr,
        port: u16,
        subnet: Subnet,
        turn: usize,
        figures: Arc<Figures>,
    ) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_PATIENCE).build().unwrap();
        Self { http, dns, port, subnet, remembered: HashMap::new(), turn, figures }
    }

    /// Asks until the answer is one that was wanted; otherwise the failure is written down. The
    /// place is where the answer came from.
    pub(crate) async fn ask(&mut self, place: &mut Place, ask: &Ask) -> Option<Answer> {
        let (began, deadline) = (Clock::instant(), Deadline::after(PATIENCE));
        Figures::count(&self.figures.requests);
        let mut trail = Trail::default();
        let mut first = true;
        loop {
            match self.once(place, ask, &mut trail).await {
                Try::Done(answer) => return Some(answer),
                Try::Again(pause) if !deadline.passed() => {
                    if first && !pause.is_zero() {
                        Figures::count(&self.figures.repeated);
                        first = false;
                    }
                    tokio::time::sleep(pause).await;
                }
                Try::Again(_) | Try::Wrong => break,
            }
        }
        let Trail { region, at_home, reason, .. } = trail;
        let (ended, what) = (Clock::instant(), ask.what);
        self.figures.fail(Failure { began, ended, at_home, region, what, reason });
        None
    }

    async fn once(&mut self, place: &mut Place, ask: &Ask, trail: &mut Trail) -> Try {
        let host = match &*place {
            Place::Nearest => "api".to_owned(),
            Place::Home(region) => {
                trail.region.clone_from(region);
                trail.at_home = true;
                format!("{region}.api")
            }
        };
        let addresses = match self.resolve(&host).await {
            Ok(addresses) => addresses,
            Err(reason) => {
                trail.reason = reason;
                self.forget_home(place, ask);
                return Try::Again(PAUSE);
            }
        };
        self.turn += 1;
        for at in 0..addresses.len() {
            let address = addresses[(self.turn + at) % addresses.len()];
            if *place == Place::Nearest {
                self.figures.led_to(region_at(address));
                // A program that does not know its home yet is a newcomer like others.
                if !trail.at_home {
                    region_at(address).clone_into(&mut trail.region);
                }
            }
            match self.send(place, ask, address).await {
                Ok(response) => return self.judge(place, ask, trail, response).await,
                // Nothing was sent: the next address is as good.
                Err(error) if error.is_connect() => trail.reason = format!("{address} refuses"),
                Err(error) => {
                    trail.reason = format!("{address} broke off: {error:?}");
                    return Try::Again(PAUSE);
                }
            }
        }
        self.forget_home(place, ask);
        Try::Again(PAUSE)
    }

    /// Nobody is at home where home was: whoever is nearest knows where it is. Log-ins and sign-ups
    /// have asked just now.
    fn forget_home(&self, place: &mut Place, ask: &Ask) {
        if ask.token.is_some() {
            *place = Place::Nearest;
        }
    }

    async fn send(&self, place: &Place, ask: &Ask, to: IpAddr) -> reqwest::Result<Response> {
        let url = format!("http://{}{}", SocketAddr::new(to, self.port), ask.path);
        let mut request = self.http.request(ask.method.clone(), url);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if let (true, Place::Home(home)) = (ask.names_home, place) {
            request = request.header("meridian-home", home);
        }
        if let Some(token) = &ask.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        request.send().await
    }

    async fn judge(
        &self,
        place: &mut Place,
        ask: &Ask,
        trail: &mut Trail,
        response: Response,
    ) -> Try {
        let (status, told) = (response.status(), pause_of(&response));
        let body: Value = match response.bytes().await {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(error) => {
                trail.reason = format!("the answer broke off: {error:?}");
                return Try::Again(PAUSE);
            }
        };
        let fair = body["code"].as_str().is_some_and(|code| ask.or.contains(&code));
        if status == ask.wants || fair {
            return Try::Done(Answer { refused: fair, body });
        }
        trail.reason = format!("{status} {} {}", body["code"], body["detail"]);
        match status {
            StatusCode::MISDIRECTED_REQUEST => {
                let Some(home) = body["home"]["region"].as_str() else { return Try::Wrong };
                Figures::count(&self.figures.sent_home);
                *place = Place::Home(home.to_owned());
                trail.hops += 1;
                Try::Again(if trail.hops > HOPS_MAX { PAUSE } else { Duration::ZERO })
            }
            StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS => Try::Again(told),
            _ => Try::Wrong,
        }
    }

    /// The addresses of a host, from memory while they hold.
    async fn resolve(&mut self, host: &str) -> Result<Vec<IpAddr>, String> {
        let now = Clock::instant();
        if let Some((addresses, until)) = self.remembered.get(host)
            && *until > now
        {
            return Ok(addresses.clone());
        }
        let name = format!("{host}.meridian.example.");
        let found = resolve(self.dns, &name, self.subnet).await;
        let found = found.map_err(|error| format!("{name}: {error}"))?;
        if found.addresses.is_empty() {
            return Err(format!("{name} leads nowhere"));
        }
        let kept = (found.addresses.clone(), now + found.ttl);
        self.remembered.insert(host.to_owned(), kept);
        Ok(found.addresses)
    }
}

fn pause_of(response: &Response) -> Duration {
    let after = response.headers().get("retry-after").and_then(|it| it.to_str().ok());
    let seconds = after.and_then(|text| text.parse().ok()).map(Duration::from_secs);
    seconds.unwrap_or(PAUSE).min(PAUSE_MAX)
}
