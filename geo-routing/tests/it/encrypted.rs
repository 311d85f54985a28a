//! DNS over TLS and HTTPS as a client with the server's certificate has them, and what the door
//! for operators says.

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use meridian_geo_routing::{
    AdminConfig, Encrypted, Handle, Server, ServerConfig, Sources, TlsFiles, Zone,
};
use rcgen::CertifiedKey;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::asker::*;

const API: &str = "api.meridian.example.";
const TOKEN: &str = "a-token-of-an-operator";

struct World {
    server: Handle,
    certificate: CertificateDer<'static>,
    scratch: Scratch,
}

fn certificate(scratch: &Scratch) -> (TlsFiles, CertificateDer<'static>) {
    let names = vec!["ns1.meridian.example".to_owned()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    let files = TlsFiles {
        certificate: scratch.write("tls.crt", cert.pem()),
        key: scratch.write("tls.key", signing_key.serialize_pem()),
    };
    (files, cert.der().clone())
}

impl World {
    async fn start() -> Self {
        let scratch = Scratch::new();
        let (files, certificate) = certificate(&scratch);
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let config = ServerConfig {
            workers: 1,
            encrypted: Some(Encrypted { files, tls: vec![any], https: vec![any] }),
            admin: Some(AdminConfig {
                listen: any,
                token: Some(scratch.write("token", format!("{TOKEN}\n"))),
            }),
            state_dir: Some(scratch.path().join("state")),
            ..ServerConfig::new(any, Sources::new(registry(), vec![Zone::embedded()]))
        };
        Self { server: Server::start(config).await.unwrap(), certificate, scratch }
    }

    async fn tls(&self, protocol: &[u8]) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(self.server.tls_addr().unwrap()).await.unwrap();
        let name = ServerName::try_from("ns1.meridian.example").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    fn http(&self) -> reqwest::Client {
        let certificate = reqwest::Certificate::from_der(&self.certificate).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder()
            .add_root_certificate(certificate)
            .resolve("ns1.meridian.example", self.server.https_addr().unwrap())
            .no_proxy()
            .build()
            .unwrap()
    }

    fn doh(&self) -> String {
        let port = self.server.https_addr().unwrap().port();
        format!("https://ns1.meridian.example:{port}/dns-query")
    }

    fn door(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.admin_addr().unwrap())
    }
}

#[tokio::test]
async fn one_tls_connection_answers_many_questions() {
    let world = World::start().await;
    let mut stream = world.tls(b"dot").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"dot"[..]));
    let asked = from_subnet(question(API, RecordType::A), "53.128.0.0/24");
    let packet = asked.to_vec().unwrap();
    let framed = [&u16::try_from(packet.len()).unwrap().to_be_bytes()[..], &packet].concat();
    stream.write_all(&framed.repeat(20)).await.unwrap();
    for _ in 0..20 {
        let mut bytes = vec![0; stream.read_u16().await.unwrap().into()];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(answered(&Message::from_vec(&bytes).unwrap()), "eu-central");
    }
    assert_eq!(world.server.counts().transports["tls"], 20);
}

#[tokio::test]
async fn https_answers_get_and_post_and_says_what_is_wrong() {
    let world = World::start().await;
    let (http, url) = (world.http(), world.doh());
    let packet = from_subnet(question(API, RecordType::A), "18.141.0.0/24").to_vec().unwrap();
    let post = |kind: &'static str, body: Vec<u8>| {
        http.post(&url).header("content-type", kind).body(body).send()
    };
    let reply = post("Application/DNS-Message", packet.clone()).await.unwrap();
    assert_eq!(reply.headers()["cache-control"], "private, max-age=30");
    assert_eq!(reply.headers()["content-type"], "application/dns-message");
    let bytes = reply.bytes().await.unwrap();
    assert_eq!(answered(&Message::from_vec(&bytes).unwrap()), "ap-southeast");
    let text = base64_url(&packet);
    let got = http.get(format!("{url}?dns={text}")).send().await.unwrap();
    assert_eq!(got.bytes().await.unwrap(), bytes);
    for (status, request) in [
        (415, http.post(&url).body(packet.clone())),
        (400, http.get(&url)),
        (400, http.get(format!("{url}?dns=%%%"))),
        (404, http.get(url.replace("dns-query", "elsewhere"))),
        (405, http.put(&url).body(packet.clone())),
    ] {
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), status);
        assert!(!reply.text().await.unwrap().is_empty(), "it says what to do");
    }
    let long = post("application/dns-message", vec![0; 70_000]).await.unwrap();
    assert_eq!(long.status(), 413);
}

/// RFC 4648, 5, without padding.
fn base64_url(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[tokio::test]
async fn the_door_shows_to_all_and_obeys_who_shows_the_token() {
    let world = World::start().await;
    let http = world.http();
    let metrics = http.get(world.door("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("geo_routing_region_state{region=\"eu-west\",state=\"healthy\"} 1"));
    let explained = http.get(world.door("/v1/explain?name=eu&subnet=53.128.0.0%2F24"));
    let told: serde_json::Value = explained.send().await.unwrap().json().await.unwrap();
    assert_eq!(told["chosen"], "eu-central");
    let url = world.door("/v1/regions/eu-central/override");
    let order = r#"{"drain": true, "reason": "a new kernel"}"#;
    let refused = http.put(&url).body(order).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let wrong = http.put(&url).bearer_auth("a-token-of-a-stranger!").body(order).send();
    assert_eq!(wrong.await.unwrap().status(), 401);
    let done = http.put(&url).bearer_auth(TOKEN).body(order).send().await.unwrap();
    assert_eq!(done.status(), 200);
    assert_eq!(region_for(&world.server, "api", "53.128.0.0/24").await, "eu-west");
    let kept = std::fs::read_to_string(world.scratch.path().join("state/overrides.toml")).unwrap();
    assert!(kept.contains("a new kernel"), "{kept}");
    for (status, body, region) in [
        (400, "{\"drain\": 7}", "eu-central"),
        (400, "not json", "eu-central"),
        (404, "{}", "mars"),
        (413, &"x".repeat(5000), "eu-central"),
    ] {
        let url = world.door(&format!("/v1/regions/{region}/override"));
        let reply = http.put(url).bearer_auth(TOKEN).body(body.to_owned()).send().await.unwrap();
        assert_eq!(reply.status(), status, "{body:.20}");
    }
    let undone = http.delete(&url).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(undone.status(), 200);
    assert_eq!(region_for(&world.server, "api", "53.128.0.0/24").await, "eu-central");
}

#[tokio::test]
async fn a_page_in_a_browser_changes_nothing_behind_a_door_without_a_token() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let config = ServerConfig {
        admin: Some(AdminConfig { listen: any, token: None }),
        ..ServerConfig::new(any, Sources::new(registry(), vec![Zone::embedded()]))
    };
    let server = Server::start(config).await.unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/v1/regions/eu-west/override", server.admin_addr().unwrap());
    let put = || http.put(&url).body("{\"drain\": true}");
    for (header, value) in [("host", "rebound.example"), ("origin", "http://evil.example")] {
        assert_eq!(put().header(header, value).send().await.unwrap().status(), 401);
    }
    assert_eq!(put().send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_door_to_the_world_needs_a_token() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let config = ServerConfig {
        admin: Some(AdminConfig { listen: "0.0.0.0:0".parse().unwrap(), token: None }),
        ..ServerConfig::new(any, Sources::new(registry(), vec![Zone::embedded()]))
    };
    let Err(error) = Server::start(config).await else { panic!("it is refused") };
    assert!(error.to_string().contains("--admin-token"), "{error}");
}
