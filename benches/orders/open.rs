//! Open loop: a request begins when the schedule says so, however late the answers before it are,
//! and is measured from the moment when it should have begun. So a stall of the server counts for
//! every request that it kept waiting, not only for those on their way ("coordinated omission").

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use meridian::clock::Clock;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};

use crate::load::exchange;

/// Time for the lanes to connect before the first request is due.
const RUN_UP: Duration = Duration::from_millis(200);
/// Longest latency that is told from a longer one.
const LATENCY_MAX: Duration = Duration::from_secs(60);

/// What a schedule is.
#[derive(Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) per_second: f64,
    pub(crate) seconds: u64,
}

/// A histogram of microseconds, to three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    let longest = u64::try_from(LATENCY_MAX.as_micros()).unwrap();
    Histogram::new_with_bounds(1, longest, 3).unwrap()
}

/// Keeps a schedule over so many lanes; returns how long requests took and how many were answered
/// in a second. More requests may be waiting than there are lanes: they are late, and count so.
pub(crate) async fn keep<F>(
    address: SocketAddr,
    lanes: usize,
    schedule: Schedule,
    request: F,
    status: u16,
) -> (Histogram<u64>, f64)
where
    F: Fn(usize) -> Vec<u8> + Send + Sync + 'static,
{
    let request = Arc::new(request);
    let (due, calls) = mpsc::unbounded_channel();
    let calls = Arc::new(Mutex::new(calls));
    let began = Clock::instant() + RUN_UP;
    let drivers: Vec<_> = (0..lanes)
        .map(|_| {
            let (request, calls) = (Arc::clone(&request), Arc::clone(&calls));
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut took, mut buffer) = (histogram(), vec![0; 64 * 1024]);
                loop {
                    let call = calls.lock().await.recv().await;
                    let Some((nth, due)) = call else { return took };
                    let answered = exchange(&mut stream, &request(nth), &mut buffer).await;
                    assert_eq!(answered, status);
                    let micros = Clock::instant().duration_since(due).as_micros();
                    took.saturating_record(u64::try_from(micros).unwrap());
                }
            })
        })
        .collect();
    let pace = std::thread::spawn(move || pace(began, schedule, &due));
    let mut all = histogram();
    for driver in drivers {
        all.add(driver.await.unwrap()).unwrap();
    }
    pace.join().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = all.len() as f64 / began.elapsed().as_secs_f64();
    (all, rate)
}

/// Says when each request is due. A thread of its own: the runtime's timer has a grain of a
/// millisecond, which is as much as an acceptance takes.
fn pace(began: Instant, schedule: Schedule, due: &mpsc::UnboundedSender<(usize, Instant)>) {
    let end = began + Duration::from_secs(schedule.seconds);
    for nth in 0_u32.. {
        let at = began + Duration::from_secs_f64(f64::from(nth) / schedule.per_second);
        if at >= end {
            return;
        }
        std::thread::sleep(at.saturating_duration_since(Clock::instant()));
        due.send((nth as usize, at)).unwrap();
    }
}
