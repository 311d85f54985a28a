//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>): `traceparent` in and out.

use std::cell::Cell;
use std::fmt;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// Which trace a piece of work belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    sampled: bool,
}

impl TraceContext {
    /// A trace that begins here.
    pub fn begin() -> Self {
        Self { trace_id: unlike(), span_id: unlike(), sampled: true }
    }

    /// Reads a `traceparent` header; `None` for what the recommendation calls invalid.
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let version = hex::<1>(version)?[0];
        // Version 00 has exactly four parts; later ones may have more, and ff is forbidden.
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        let (trace_id, span_id) = (hex::<16>(trace)?, hex::<8>(span)?);
        if trace_id == [0; 16] || span_id == [0; 8] {
            return None;
        }
        Some(Self { trace_id, span_id, sampled: hex::<1>(flags)?[0] & 1 == 1 })
    }

    /// The context of the work that is going on, or a new one.
    pub fn current() -> Self {
        CURRENT.try_with(|context| *context).unwrap_or_else(|_| Self::begin())
    }

    /// A span of the same trace below this one.
    pub fn child(&self) -> Self {
        Self { span_id: unlike(), ..*self }
    }

    /// The trace's id in hexadecimal.
    pub fn trace_id(&self) -> String {
        to_hex(&self.trace_id)
    }

    /// Does some work inside this context.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (to_hex(&self.trace_id), to_hex(&self.span_id));
        write!(f, "00-{trace}-{span}-{:02x}", u8::from(self.sampled))
    }
}

/// A number from 0 to 1, for pauses that should not end all at once.
pub fn random_fraction() -> f64 {
    f64::from(u32::from_le_bytes(unlike())) / f64::from(u32::MAX)
}

/// Bits that no other trace has. They need to be unlike each other, not secret, and every request
/// wants some, so each thread asks the system for randomness once (SplitMix64 goes on from there).
pub fn unlike<const N: usize>() -> [u8; N] {
    thread_local! {
        static STATE: Cell<u64> = const { Cell::new(0) };
    }
    let mut bytes = [0; N];
    STATE.with(|state| {
        if state.get() == 0 {
            let mut seed = [0; 8];
            getrandom::fill(&mut seed).expect("the system gives randomness");
            state.set(u64::from_le_bytes(seed) | 1);
        }
        for chunk in bytes.chunks_mut(8) {
            let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
            state.set(next);
            let mut z = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    });
    bytes
}

/// Lower-case hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != 2 * N || !lower {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::TraceContext;

    #[test]
    fn the_recommendations_own_example_is_read_and_written() {
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::parse(header).expect("valid");
        assert_eq!(context.to_string(), header);
        assert_eq!(context.child().trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(context.child().to_string(), header);
    }

    #[test]
    fn what_the_recommendation_calls_invalid_is_none() {
        for header in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e47é6-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(header), None, "{header}");
        }
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert!(TraceContext::parse(later).is_some());
    }
}
