//! The load: travellers of many countries, who search where they are nearest, book at home, look at
//! their orders, log in anew, and now and then are somebody new.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use meridian::clock::Clock;
use meridian::demo::client::day_from_now;
use meridian_geo_routing::{Geography, Subnet};
use meridian_regions::Country;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use crate::client::{Answer, Ask, Client, Place};
use crate::figures::Figures;

/// Countries with a network in each; those whose homes move come first.
const COUNTRIES: [(&str, [u8; 4]); 13] = [
    ("SE", [78, 72, 0, 0]),
    ("FI", [80, 220, 0, 0]),
    ("US", [29, 128, 0, 0]),
    ("NO", [84, 208, 0, 0]),
    ("DE", [53, 128, 0, 0]),
    ("DK", [87, 48, 0, 0]),
    ("SG", [18, 141, 0, 0]),
    ("FR", [86, 224, 0, 0]),
    ("US", [22, 0, 4, 0]),
    ("JP", [133, 93, 112, 0]),
    ("GB", [25, 128, 0, 0]),
    ("SE", [78, 76, 0, 0]),
    ("BR", [179, 149, 158, 0]),
];
/// Where they fly: airports of three continents.
const ROUTES: [(&str, &str); 6] = [
    ("FRA", "JFK"),
    ("JFK", "LHR"),
    ("CDG", "FRA"),
    ("LHR", "JFK"),
    ("SIN", "FRA"),
    ("LAX", "JFK"),
];
/// The first day on which they fly, and how many days they choose from: few, so that they meet.
const FIRST_DAY: i64 = 40;
const DAYS: u64 = 8;
/// Orders that a traveller remembers.
const ORDERS_MAX: usize = 12;
/// Bits of a network.
const NETWORK_BITS: u8 = 24;

/// A traveller and a program of hers.
struct Traveller {
    client: Client,
    country: &'static str,
    email: String,
    password: String,
    token: String,
    place: Place,
    orders: VecDeque<String>,
    luck: u64,
    think: Duration,
}

/// People who go on until they are told to stop.
pub(crate) struct Crowd {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Crowd {
    pub(crate) fn gather(
        clients: usize,
        think: Duration,
        dns: SocketAddr,
        port: u16,
        figures: &Arc<Figures>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..clients).map(|at| {
            let (country, network) = COUNTRIES[at % COUNTRIES.len()];
            let subnet = network_of(country, network, at / COUNTRIES.len());
            let client = Client::new(dns, port, subnet, at, Arc::clone(figures));
            let traveller = Traveller {
                client,
                country,
                email: String::new(),
                password: String::new(),
                token: String::new(),
                place: Place::Nearest,
                orders: VecDeque::new(),
                luck: at as u64 + 1,
                think,
            };
            tokio::spawn(traveller.live(Arc::clone(&stop)))
        });
        Self { tasks: tasks.collect(), stop }
    }

    /// Everybody finishes what they are at, and goes.
    pub(crate) async fn go_home(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

/// The network of somebody in a country; it has to be there by the table that GeoDNS carries.
pub(crate) fn network_of(country: &str, [a, b, c, _]: [u8; 4], at: usize) -> Subnet {
    let c = c.wrapping_add(u8::try_from(at % 4).unwrap());
    let subnet = Subnet::new([a, b, c, 0].into(), NETWORK_BITS).unwrap();
    let is: Option<Country> = Geography::embedded().locate(subnet.address()).country;
    assert_eq!(is, country.parse().ok(), "{subnet} is not in {country}");
    subnet
}

impl Traveller {
    async fn live(mut self, stop: Arc<AtomicBool>) {
        let mut visits: u64 = self.luck;
        while !stop.load(Ordering::Relaxed) {
            if self.token.is_empty() || visits.is_multiple_of(31) {
                self.sign_up().await;
            }
            if !self.token.is_empty() {
                self.visit(visits).await;
            }
            visits += 1;
            let pause =
                self.think / 2 + self.think * u32::try_from(self.chance(100)).unwrap() / 100;
            tokio::time::sleep(pause).await;
        }
    }

    async fn visit(&mut self, visits: u64) {
        let offer = self.search().await;
        if visits.is_multiple_of(9) {
            self.log_in().await;
        }
        if visits.is_multiple_of(7) {
            // As a program that was started anew: it knows its token and not its home.
            self.place = Place::Nearest;
        }
        match offer {
            Some(offer) if visits.is_multiple_of(3) => self.book(&offer).await,
            _ => self.look(visits).await,
        }
    }

    /// The offer that she likes, of one passenger.
    async fn search(&mut self) -> Option<String> {
        let (from, to) = ROUTES[usize::try_from(self.chance(ROUTES.len() as u64)).unwrap()];
        let days = FIRST_DAY + i64::try_from(self.chance(DAYS)).unwrap();
        let day = day_from_now(&Clock::default(), days);
        let body = json!({
            "slices": [{"origin": from, "destination": to, "departure_date": day}],
            "passengers": 1, "max_connections": 1, "currency": "EUR",
        });
        Figures::count(&self.client.figures.searches);
        let ask = Ask::post("search", "/v1/offer-requests", body);
        let found = self.client.ask(&mut Place::Nearest, &ask).await?;
        let offers = found.body["data"]["offers"].as_array()?.len() as u64;
        let chosen = (offers > 0).then(|| self.chance(offers.min(3)))?;
        Some(found.text(&format!("/data/offers/{chosen}/id")))
    }

    async fn sign_up(&mut self) {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        (self.email, self.password) = (format!("{unique}@crowd.example"), unique);
        self.token.clear();
        self.orders.clear();
        let path = format!("/v1/residence?country={}", self.country);
        let Some(home) = self.home(Ask::get("residence", path)).await else { return };
        self.place = home;
        let ask = Ask {
            headers: vec![("residence-country", self.country.to_owned())],
            or: &["address_taken"],
            ..Ask::post("sign up", "/v1/travellers", self.credentials())
        };
        match self.personal(&ask).await {
            Some(answer) if !answer.refused => self.token = answer.text("/data/token"),
            // The answer to the first try was lost on the way, and the account is there.
            Some(_) => self.log_in().await,
            None => {}
        }
    }

    /// Logs in where the address is at home; if home moved in between, she asks once more.
    async fn log_in(&mut self) {
        Figures::count(&self.client.figures.log_ins);
        for or in [&["wrong_credentials"][..], &[]] {
            let subject = Sha256::digest(self.email.as_bytes());
            let subject: String = subject.iter().map(|byte| format!("{byte:02x}")).collect();
            let mut asked = Ask::get("residence", "/v1/residence");
            asked.headers.push(("meridian-subject", subject));
            let Some(home) = self.home(asked).await else { return };
            self.place = home;
            let body = self.credentials();
            let ask = Ask { or, names_home: true, ..Ask::post("log in", "/v1/sessions", body) };
            match self.personal(&ask).await {
                Some(answer) if !answer.refused => {
                    self.token = answer.text("/data/token");
                    return;
                }
                Some(_) => {}
                None => return,
            }
        }
    }

    fn credentials(&self) -> Value {
        json!({"email": self.email, "password": self.password})
    }

    /// Where she is at home, by the region that is nearest.
    async fn home(&mut self, ask: Ask) -> Option<Place> {
        let answer = self.client.ask(&mut Place::Nearest, &ask).await?;
        Some(Place::Home(answer.text("/data/home/region")))
    }

    async fn personal(&mut self, ask: &Ask) -> Option<Answer> {
        self.client.ask(&mut self.place, ask).await
    }

    async fn book(&mut self, offer: &str) {
        let body = json!({
            "type": "instant", "offer_id": offer, "payment": {"token": "tok_visa"},
            "passengers": [
                {"given_name": "Ada", "family_name": "Lovelace", "born_on": "1990-12-10"}
            ],
        });
        let ask = Ask {
            headers: vec![("idempotency-key", uuid::Uuid::new_v4().to_string())],
            token: Some(self.token.clone()),
            wants: 202,
            or: &["sold_out"],
            ..Ask::post("book", "/v1/orders", body)
        };
        let Some(answer) = self.personal(&ask).await else { return };
        if !answer.refused {
            let order = answer.text("/data/id");
            self.client.figures.accept(&order);
            self.orders.push_front(order);
            self.orders.truncate(ORDERS_MAX);
        }
    }

    /// Looks at all orders, or at one, which may be older than a move.
    async fn look(&mut self, visits: u64) {
        let one = usize::try_from(self.chance(ORDERS_MAX as u64)).unwrap();
        let (what, path) = match self.orders.get(one) {
            Some(order) if visits.is_multiple_of(2) => ("order", format!("/v1/orders/{order}")),
            _ => ("orders", "/v1/orders".to_owned()),
        };
        let ask = Ask { token: Some(self.token.clone()), ..Ask::get(what, path) };
        self.personal(&ask).await;
    }

    /// A number below another, by a simple generator (Lehmer, 1951): runs are alike.
    fn chance(&mut self, below: u64) -> u64 {
        self.luck = self.luck * 48271 % 0x7fff_ffff;
        self.luck % below
    }
}
