//! hickory-server with our decisions: what a general server library makes of the same world.
//!
//! One thread, since its workers lose more by waking each other than they gain.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Metadata};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsCode, EdnsOption};
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo, Server};
use hickory_server::zone_handler::MessageResponseBuilder;
use meridian_geo_routing::{Client, RoutingTable};
use meridian_regions::Registry;

use crate::world;

/// Largest answer.
const PAYLOAD_MAX: u16 = 1232;

/// As our own server has it.
const IDLE_MAX: Duration = Duration::from_secs(10);
const ANSWERS_WAITING_MAX: usize = 64;

struct Handler(RoutingTable);

/// Serves until it is killed.
pub(crate) fn serve(listen: SocketAddr) -> ! {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let handler = Handler(world::table(Registry::embedded().unwrap()));
        let mut server = Server::new(handler);
        server.register_socket(tokio::net::UdpSocket::bind(listen).await.unwrap());
        let tcp = tokio::net::TcpListener::bind(listen).await.unwrap();
        server.register_listener(tcp, IDLE_MAX, ANSWERS_WAITING_MAX);
        server.block_until_done().await.unwrap();
    });
    unreachable!("it serves until it is killed");
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut responder: R,
    ) -> ResponseInfo {
        let query = request.queries.queries()[0].original();
        let subnet = request.edns.as_ref().and_then(|edns| match edns.option(EdnsCode::Subnet) {
            Some(EdnsOption::Subnet(subnet)) => Some(*subnet),
            _ => None,
        });
        let client = Client::Address(subnet.map_or(request.src().ip(), |it| it.addr()));
        let answer = self.0.answer(query.name(), query.query_type(), client, false);
        let edns = request.edns.as_ref().map(|_| reply_edns(subnet, answer.scope));
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = answer.rcode;
        metadata.authoritative = true;
        let builder = MessageResponseBuilder::new(&request.queries, edns.as_ref());
        let response = builder.build(metadata, &answer.answers, &answer.authorities, [], []);
        responder.send_response(response).await.unwrap()
    }
}

fn reply_edns(subnet: Option<ClientSubnet>, scope: u8) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD_MAX);
    if let Some(subnet) = subnet {
        let address: IpAddr = subnet.addr();
        let echo = ClientSubnet::new(address, subnet.source_prefix(), scope);
        edns.options_mut().insert(EdnsOption::Subnet(echo));
    }
    edns
}
