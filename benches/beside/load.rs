//! A load driver that costs little: kept-alive connections, one request in flight on each, answers
//! read by their length only.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use meridian::clock::Clock;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A GET as bytes.
pub(crate) fn get(path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n")
        .into_bytes()
}

/// A POST with its key as bytes.
pub(crate) fn post(path: &str, token: &str, key: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\
         Idempotency-Key: {key}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Requests per second over so many connections; every answer must have the status.
pub(crate) async fn drive<F>(
    address: SocketAddr,
    connections: usize,
    seconds: u64,
    request: F,
    status: u16,
) -> f64
where
    F: Fn(usize) -> Vec<u8> + Send + Sync + 'static,
{
    let request = Arc::new(request);
    let began = Clock::instant();
    let end = began + Duration::from_secs(seconds);
    let drivers: Vec<_> = (0..connections)
        .map(|lane| {
            let request = Arc::clone(&request);
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut done, mut buffer) = (0_usize, vec![0; 64 * 1024]);
                while Clock::instant() < end {
                    let request = request(lane + done * connections);
                    assert_eq!(exchange(&mut stream, &request, &mut buffer).await, status);
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for driver in drivers {
        done += driver.await.unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = done as f64 / began.elapsed().as_secs_f64();
    rate
}

/// Sends one request, reads its answer to its end and returns its status.
pub(crate) async fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> u16 {
    stream.write_all(request).await.unwrap();
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await.unwrap();
        assert!(read > 0, "the server hung up");
        filled += read;
        let head = &buffer[..filled];
        let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end]).unwrap();
        let length: usize = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()
            })
            .expect("answers have a length");
        if filled == end + 4 + length {
            return head[9..12].parse().unwrap();
        }
    }
}
