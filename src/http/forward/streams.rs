//! Bodies on their way through: counted and timed, never looked into.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as Stream, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};

use super::BODY_BYTES_MAX;

/// Longest that an answer may take to pass through.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a body ends early.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Cut(&'static str);

/// A request's body, no larger than any may be.
pub(super) struct Passing {
    body: Body,
    left: usize,
    too_large: Arc<AtomicBool>,
}

impl Passing {
    pub(super) fn new(body: Body, too_large: Arc<AtomicBool>) -> Self {
        Self { body, left: BODY_BYTES_MAX, too_large }
    }

    /// No body.
    pub(super) fn nothing() -> Self {
        Self::new(Body::empty(), Arc::default())
    }
}

impl Stream for Passing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(left) = self.left.checked_sub(length) else {
                self.too_large.store(true, Ordering::Relaxed);
                return Poll::Ready(Some(Err(axum::Error::new(Cut("larger than any may be")))));
            };
            self.left = left;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, which leaves its room to the next when it has passed.
pub(super) struct Answer {
    body: Incoming,
    end: Pin<Box<Sleep>>,
    _room: OwnedSemaphorePermit,
}

impl Answer {
    pub(super) fn new(body: Incoming, room: OwnedSemaphorePermit) -> Self {
        Self { body, end: Box::pin(sleep(PATIENCE)), _room: room }
    }
}

impl Stream for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(axum::Error::new(Cut("it took too long")))));
        }
        Pin::new(&mut self.body).poll_frame(cx).map_err(axum::Error::new)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
