//! The people: they search, book, pay, change, cancel and look, ask again under the same key when
//! they hear nothing, and do what careless programs do: send a request fifty times, hang up in the
//! middle of one, or use a key for something else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use meridian::clock::{Clock, Deadline};
use meridian::demo::client::day_from_now;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::chance::Chance;
use crate::consumer::Consumer;
use crate::figures::Figures;
use crate::fleet::Process;
use crate::house::{House, REGIONS};
use crate::ledger::{Answer, Deed, Ledger};

/// Where they fly, and the country that they leave.
pub(crate) const ROUTES: [(&str, &str, &str); 4] =
    [("FRA", "DE", "JFK"), ("JFK", "US", "LHR"), ("PEK", "CN", "FRA"), ("LHR", "GB", "JFK")];
/// Days on which seats are scarce, and a day on which they are not.
pub(crate) const SCARCE_DAYS: [i64; 2] = [40, 41];
const ROOMY_DAY: i64 = 47;
/// Longest wait for one answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(6);
/// Longest that somebody asks again before they leave it for later.
const PATIENCE: Duration = Duration::from_secs(8);
/// Pause before the same is asked again, if the answer does not name one.
const PAUSE: Duration = Duration::from_millis(200);
/// How often careless programs send one request at once.
const BURST: usize = 50;
/// Orders that somebody remembers.
const ORDERS_MAX: usize = 12;

/// Everybody's books and ways.
pub(crate) struct Crowd {
    pub(crate) ledger: Arc<Ledger>,
    /// The program that is told what happens to their orders.
    pub(crate) consumer: Consumer,
    travellers: Vec<Arc<Traveller>>,
    figures: Arc<Figures>,
}

/// Somebody with an account.
pub(crate) struct Traveller {
    number: usize,
    token: String,
    nodes: Vec<Arc<Process>>,
    http: Client,
    ledger: Arc<Ledger>,
    figures: Arc<Figures>,
}

impl Crowd {
    /// People of every region sign up while all is well.
    pub(crate) async fn gather(house: &House, people: usize, figures: &Arc<Figures>) -> Self {
        let (ledger, consumer) =
            (Arc::new(Ledger::default()), Consumer::start(house.plan.seed).await);
        let http = Client::builder().no_proxy().timeout(ANSWER_PATIENCE).build().unwrap();
        let mut travellers = Vec::new();
        for number in 0..people {
            let region = number % house.plan.regions;
            let nodes = house.nodes(region);
            let unique = uuid::Uuid::new_v4().simple().to_string();
            let url = format!("http://{}/v1/travellers", nodes[0].address);
            let request = http.post(url).header("residence-country", REGIONS[region].1);
            let body = json!({"email": format!("{unique}@crowd.example"), "password": unique});
            let answer = Answer::of(request.json(&body).send().await.unwrap()).await.unwrap();
            assert_eq!(answer.status, 201, "{}", answer.json());
            let token = answer.text("/data/token");
            let (ledger, figures) = (Arc::clone(&ledger), Arc::clone(figures));
            let http = http.clone();
            let traveller = Traveller { number, token, nodes, http, ledger, figures };
            consumer.trust(number, traveller.listen(&consumer.url(number)).await);
            travellers.push(Arc::new(traveller));
        }
        Self { ledger, consumer, travellers, figures: Arc::clone(figures) }
    }

    pub(crate) fn traveller(&self, number: usize) -> &Arc<Traveller> {
        &self.travellers[number % self.travellers.len()]
    }

    /// Everybody lives until they are told to stop.
    pub(crate) fn live(&self, seed: u64, think: Duration, stop: &Arc<AtomicBool>) -> JoinSet<()> {
        let mut living = JoinSet::new();
        for traveller in &self.travellers {
            let life = Life {
                traveller: Arc::clone(traveller),
                chance: Chance::of(seed, 1000 + traveller.number as u64),
                orders: Vec::new(),
                deeds: Vec::new(),
            };
            living.spawn(life.live(think, Arc::clone(stop)));
        }
        living
    }

    /// Everything that was answered neither yes nor no is asked again, now that all is well.
    pub(crate) async fn settle(&self) {
        let open = self.ledger.open();
        self.figures.say(&format!("{} requests without an answer are sent again", open.len()));
        let mut asking = JoinSet::new();
        for deed in open {
            while asking.len() >= 8 {
                asking.join_next().await;
            }
            let traveller = Arc::clone(self.traveller(self.ledger.deed(deed).traveller));
            asking.spawn(async move { traveller.ask(deed, 0).await });
        }
        asking.join_all().await;
        for deed in self.ledger.open() {
            let deed = self.ledger.deed(deed);
            self.figures.wrong("I3", format!("no answer to {} {}", deed.path, deed.key));
        }
    }

    /// Everything that was answered with a yes is asked once more.
    pub(crate) async fn replay_all(&self) {
        let mut asking = JoinSet::new();
        for (number, deed) in self.ledger.deeds().into_iter().enumerate() {
            if deed.yes.is_some() {
                while asking.len() >= 8 {
                    asking.join_next().await;
                }
                let traveller = Arc::clone(self.traveller(deed.traveller));
                Figures::count(&self.figures.replays);
                asking.spawn(async move { traveller.ask(number, number).await });
            }
        }
        asking.join_all().await;
    }
}

impl Traveller {
    /// Wants to be told at an address what happens; the secret that proves it.
    async fn listen(&self, url: &str) -> String {
        let at = format!("http://{}/v1/webhooks", self.nodes[0].address);
        let request = self.http.post(at).bearer_auth(&self.token).json(&json!({ "url": url }));
        let answer = Answer::of(request.send().await.unwrap()).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.json());
        answer.text("/data/secret")
    }

    pub(crate) fn deed(&self, path: &str, body: Value) -> Deed {
        let (path, books) = (path.to_owned(), path == "/v1/orders");
        let (key, traveller) = (uuid::Uuid::new_v4().to_string(), self.number);
        Deed { traveller, key, path, body, seen: None, books, yes: None, no: None }
    }

    /// Writes down what is about to be asked for.
    pub(crate) fn intend(&self, deed: Deed) -> usize {
        Figures::count(&self.figures.requests);
        self.ledger.intend(deed)
    }

    /// The node that is asked in a turn.
    fn node(&self, turn: usize) -> &Process {
        &self.nodes[turn % self.nodes.len()]
    }

    fn request(&self, deed: &Deed, node: &Process) -> RequestBuilder {
        let url = format!("http://{}{}", node.address, deed.path);
        let request = self.http.post(url).bearer_auth(&self.token);
        let request = request.header("idempotency-key", &deed.key);
        let request = match &deed.seen {
            Some(seen) => request.header("if-match", seen),
            None => request,
        };
        if deed.body.is_null() { request } else { request.json(&deed.body) }
    }

    /// Sends something once.
    async fn send(&self, request: RequestBuilder) -> Option<Answer> {
        Figures::count(&self.figures.sent);
        let answer = Answer::of(request.send().await.ok()?).await.ok()?;
        let says = || format!("{} {}", answer.status, answer.json());
        match answer.status {
            503 if answer.retry_after.is_none() => {
                self.figures.wrong("answers", format!("when to try again is not said: {}", says()));
            }
            503 | 504 => {}
            401 | 403 | 421 | 500.. => self.figures.wrong("answers", says()),
            _ => {}
        }
        Some(answer)
    }

    /// Sends a deed once to a node, and writes down what comes.
    pub(crate) async fn send_deed(&self, number: usize, turn: usize) -> Option<Answer> {
        let deed = self.ledger.deed(number);
        let answer = self.send(self.request(&deed, self.node(turn))).await?;
        if let Some(difference) = self.ledger.note(number, &answer) {
            self.figures.wrong("I5", format!("{} {}: {difference}", deed.path, deed.key));
        }
        Some(answer)
    }

    /// Asks until there is an answer or patience ends, one node after the other.
    pub(crate) async fn ask(&self, number: usize, first: usize) -> Option<Answer> {
        let deadline = Deadline::after(PATIENCE);
        for turn in first.. {
            let answer = self.send_deed(number, turn).await;
            let told = answer.as_ref().and_then(|it| it.retry_after).map(Duration::from_secs);
            match answer {
                Some(answer) if answer.is_yes() || answer.is_no() => return Some(answer),
                _ if deadline.passed() => return None,
                _ => tokio::time::sleep(told.unwrap_or(PAUSE)).await,
            }
        }
        None
    }

    pub(crate) async fn get(&self, path: &str, turn: usize) -> Option<Answer> {
        let url = format!("http://{}{path}", self.node(turn).address);
        self.send(self.http.get(url).bearer_auth(&self.token)).await
    }

    /// A deed as it was written down.
    pub(crate) fn written(&self, number: usize) -> Deed {
        self.ledger.deed(number)
    }

    /// Sends a deed that is not the one that was written down.
    pub(crate) async fn send_as_it_is(&self, deed: &Deed, turn: usize) -> Option<Answer> {
        self.send(self.request(deed, self.node(turn))).await
    }

    /// An offer of a direct flight, one of the best few.
    async fn offer(&self, chance: &mut Chance) -> Option<String> {
        let day = if chance.percent(65) { *chance.one(&SCARCE_DAYS) } else { ROOMY_DAY };
        self.offer_on(chance, day).await
    }

    /// An offer of a flight with room.
    pub(crate) async fn roomy_offer(&self, chance: &mut Chance) -> Option<String> {
        self.offer_on(chance, ROOMY_DAY).await
    }

    async fn offer_on(&self, chance: &mut Chance, day: i64) -> Option<String> {
        let (from, _, to) = *chance.one(&ROUTES);
        let url = format!("http://{}/v1/offer-requests", self.node(chance.below(2)).address);
        let answer = self.send(self.http.post(url).json(&question(from, to, day))).await?;
        let found = answer.json();
        let offers = found["data"]["offers"].as_array().filter(|offers| !offers.is_empty())?;
        let best = &offers[..offers.len().min(3)];
        Some(chance.one(best)["id"].as_str()?.to_owned())
    }

    /// Asks what cancelling gives back, and cancels if that is answered.
    pub(crate) async fn cancel(&self, order: &str, turn: usize) -> Option<usize> {
        let quotes = "/v1/order-cancellations";
        let question = self.deed(quotes, json!({ "order_id": order }));
        let quote = self.send(self.request(&question, self.node(turn))).await?.json();
        let text = |field: &str| Some(quote["data"][field].as_str()?.to_owned());
        let mut deed = self.deed(&format!("{quotes}/{}/confirm", text("id")?), Value::Null);
        deed.seen = text("order_etag");
        let deed = self.intend(deed);
        self.ask(deed, turn).await;
        Some(deed)
    }

    /// Asks what another flight costs, and takes it if that is answered.
    async fn change(&self, order: &str, offer: &str, turn: usize) -> Option<usize> {
        let quotes = "/v1/order-changes";
        let question = self.deed(quotes, json!({ "order_id": order, "offer_id": offer }));
        let quote = self.send(self.request(&question, self.node(turn))).await?.json();
        let text = |field: &str| Some(quote["data"][field].as_str()?.to_owned());
        let costs = quote["data"]["charge"]["amount_minor"].as_i64()? > 0;
        let body = if costs { json!({ "payment": { "token": "tok_visa" } }) } else { json!({}) };
        let mut deed = self.deed(&format!("{quotes}/{}/confirm", text("id")?), body);
        deed.seen = text("order_etag");
        let deed = self.intend(deed);
        self.ask(deed, turn).await;
        Some(deed)
    }

    /// Takes what the airline has changed.
    async fn accept(&self, order: &str, version: &Value, turn: usize) -> Option<usize> {
        let path = format!("/v1/orders/{order}/airline-change/accept");
        let mut deed = self.deed(&path, Value::Null);
        deed.seen = Some(format!("\"order-{version}\""));
        let deed = self.intend(deed);
        self.ask(deed, turn).await;
        Some(deed)
    }

    /// The bytes of a deed's request, as a program without a library sends them.
    pub(crate) fn bytes(&self, deed: &Deed) -> Vec<u8> {
        let body = if deed.body.is_null() { String::new() } else { deed.body.to_string() };
        let seen = deed.seen.as_ref().map_or(String::new(), |it| format!("If-Match: {it}\r\n"));
        format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nIdempotency-Key: {}\r\n\
             {seen}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            deed.path,
            self.token,
            deed.key,
            body.len()
        )
        .into_bytes()
    }

    /// Sends a part of a deed's request, and hangs up a while later.
    pub(crate) async fn hang_up(&self, number: usize, bytes: usize, after: Duration, turn: usize) {
        let deed = self.ledger.deed(number);
        let request = self.bytes(&deed);
        let Ok(mut stream) = TcpStream::connect(self.node(turn).address).await else { return };
        let _ = stream.write_all(&request[..bytes.min(request.len())]).await;
        tokio::time::sleep(after).await;
        Figures::count(&self.figures.hung_up);
    }

    /// Sends one deed many times at once, to all nodes.
    pub(crate) async fn burst(self: &Arc<Self>, number: usize) -> Vec<Answer> {
        let mut sending = JoinSet::new();
        for turn in 0..BURST {
            let me = Arc::clone(self);
            sending.spawn(async move { me.send_deed(number, turn).await });
        }
        sending.join_all().await.into_iter().flatten().collect()
    }
}

/// A search for a direct flight.
pub(crate) fn question(from: &str, to: &str, day: i64) -> Value {
    let day = day_from_now(&Clock::default(), day);
    json!({
        "slices": [{"origin": from, "destination": to, "departure_date": day}],
        "passengers": 1, "max_connections": 0, "currency": "EUR",
    })
}

/// A booking, paid now or held.
pub(crate) fn booking(offer: &str, family_name: &str, token: Option<&str>) -> Value {
    let mut body = json!({
        "type": if token.is_some() { "instant" } else { "hold" }, "offer_id": offer,
        "passengers": [
            {"given_name": "Ada", "family_name": family_name, "born_on": "1990-12-10"}
        ],
    });
    if let Some(token) = token {
        body["payment"] = json!({ "token": token });
    }
    body
}

/// What somebody goes through.
struct Life {
    traveller: Arc<Traveller>,
    chance: Chance,
    orders: Vec<String>,
    deeds: Vec<usize>,
}

impl Life {
    async fn live(mut self, think: Duration, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            self.visit().await;
            let most = u64::try_from(think.as_millis()).expect("short") * 2;
            tokio::time::sleep(self.chance.millis(0, most)).await;
        }
    }

    async fn visit(&mut self) {
        let (me, turn) = (Arc::clone(&self.traveller), self.chance.below(2));
        match self.chance.below(100) {
            0..48 => {
                if let Some(deed) = self.new_booking().await {
                    me.ask(deed, turn).await;
                    self.remember(deed);
                }
            }
            48..66 => self.act_on_an_order(turn).await,
            66..74 => {
                if let Some(deed) = self.an_old_deed() {
                    Figures::count(&me.figures.replays);
                    me.ask(deed, turn).await;
                }
            }
            74..79 => self.use_a_key_for_something_else(turn).await,
            79..81 => {
                if let Some(deed) = self.new_booking().await {
                    me.burst(deed).await;
                    self.remember(deed);
                }
            }
            81..89 => self.hang_up(turn).await,
            _ => {
                me.get("/v1/orders", turn).await;
            }
        }
    }

    /// A booking that is about to be sent.
    async fn new_booking(&mut self) -> Option<usize> {
        let offer = self.traveller.offer(&mut self.chance).await?;
        let names = ["SOLDOUT", "LOST", "SLOWAIRLINE", "PRICECHANGE", "SCHEDULECHANGE"];
        let name = if self.chance.percent(14) { *self.chance.one(&names) } else { "Lovelace" };
        let tokens = ["tok_decline", "tok_lost"];
        let token = if self.chance.percent(10) { *self.chance.one(&tokens) } else { "tok_visa" };
        let instant = self.chance.percent(70);
        let body = booking(&offer, name, instant.then_some(token));
        Some(self.traveller.intend(self.traveller.deed("/v1/orders", body)))
    }

    fn remember(&mut self, number: usize) {
        self.deeds.push(number);
        let deed = self.traveller.ledger.deed(number);
        if let (true, Some(yes)) = (deed.books, deed.yes) {
            self.orders.push(yes.text("/data/id"));
            if self.orders.len() > ORDERS_MAX {
                self.orders.remove(0);
            }
        }
    }

    fn an_old_deed(&mut self) -> Option<usize> {
        (!self.deeds.is_empty()).then(|| *self.chance.one(&self.deeds))
    }

    /// Looks at an order, and does one of those things to it that are possible.
    async fn act_on_an_order(&mut self, turn: usize) {
        if self.orders.is_empty() {
            return;
        }
        let order = self.chance.one(&self.orders).clone();
        let me = Arc::clone(&self.traveller);
        let Some(answer) = me.get(&format!("/v1/orders/{order}"), turn).await else { return };
        let seen = answer.json()["data"].take();
        if answer.status == 200 {
            me.ledger.saw(&order, seen["version"].as_i64().unwrap_or_default());
        } else if answer.is_no() {
            me.figures.wrong("I3", format!("{order} was accepted and is {}", answer.status));
        }
        let actions: BTreeSet<&str> = seen["available_actions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let deed = if actions.contains("pay") && self.chance.percent(65) {
            let token = if self.chance.percent(12) { "tok_decline" } else { "tok_visa" };
            let body = json!({"order_id": order, "payment": {"token": token}});
            let deed = me.intend(me.deed("/v1/payments", body));
            me.ask(deed, turn).await;
            Some(deed)
        } else if actions.contains("accept_airline_change") && self.chance.percent(50) {
            me.accept(&order, &seen["version"], turn).await
        } else if actions.contains("change") && self.chance.percent(35) {
            let offer = me.offer(&mut self.chance).await;
            match offer {
                Some(offer) => me.change(&order, &offer, turn).await,
                None => None,
            }
        } else if actions.contains("cancel") && self.chance.percent(40) {
            me.cancel(&order, turn).await
        } else {
            None
        };
        self.deeds.extend(deed);
    }

    async fn use_a_key_for_something_else(&mut self, turn: usize) {
        let Some(number) = self.an_old_deed() else { return };
        let mut deed = self.traveller.ledger.deed(number);
        let token = deed.body.pointer_mut("/payment/token");
        let (Some(token), Some(_)) = (token, &deed.yes) else { return };
        *token = json!("tok_another");
        let me = &self.traveller;
        let Some(answer) = me.send_as_it_is(&deed, turn).await else { return };
        if answer.status < 500 && answer.status != 422 {
            let words = format!("another body under {}: {}", deed.key, answer.status);
            me.figures.wrong("I5", words);
        }
    }

    async fn hang_up(&mut self, turn: usize) {
        let Some(number) = self.new_booking().await else { return };
        let me = Arc::clone(&self.traveller);
        let length = me.bytes(&me.ledger.deed(number)).len();
        // In a third of all cases the whole request has arrived.
        let bytes = self.chance.below(length * 3 / 2);
        me.hang_up(number, bytes, self.chance.millis(0, 60), turn).await;
        if self.chance.percent(50) {
            me.ask(number, turn + 1).await;
        }
        self.remember(number);
    }
}
