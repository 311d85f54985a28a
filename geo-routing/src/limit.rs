//! Response rate limiting: how often one network is told the same.
//!
//! A flood with forged addresses asks from one network for one thing; a resolver does not. What is
//! over the rate is dropped, but every so often cut short, so that somebody honest in that network
//! comes back over TCP, which cannot be forged. The rule is that of BIND and NSD: it is applied to
//! finished answers, keyed by the asker's network and what is said, not by what was asked.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;

use crate::answer::{Kind, Outcome};
use crate::location::Subnet;

/// Buckets of one worker; a power of two. Two askers in one bucket push each other out, which
/// forgives and never punishes.
const BUCKETS: usize = 1 << 16;

/// Answers that may come at once after a quiet time, as seconds' worth of the rate.
const BURST_SECONDS: u64 = 1;

/// What is allowed. Rates are answers per second and network; 0 does not limit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimit {
    /// The same records. Resolvers of large networks ask for one name for many clients' subnets,
    /// so this is generous; the answers are small.
    pub records_per_second: u32,
    /// The same absence, refusal or complaint.
    pub negatives_per_second: u32,
    /// Every how many answers over the rate one is sent cut short; 0 drops all.
    pub slip: u32,
    /// Leading bits of an IPv4 address that make a network.
    pub ipv4_prefix: u8,
    /// Leading bits of an IPv6 address.
    pub ipv6_prefix: u8,
    /// Networks that are never limited.
    #[serde(deserialize_with = "subnets")]
    pub exempt: Vec<Subnet>,
}

impl Default for RateLimit {
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"].map(|it| it.parse().expect("it is a network"));
        Self {
            records_per_second: 1000,
            negatives_per_second: 200,
            slip: 2,
            ipv4_prefix: 24,
            ipv6_prefix: 56,
            exempt: loopback.into(),
        }
    }
}

impl RateLimit {
    /// Limits nobody.
    pub fn off() -> Self {
        Self { records_per_second: 0, negatives_per_second: 0, ..Self::default() }
    }

    fn is_off(&self) -> bool {
        self.records_per_second == 0 && self.negatives_per_second == 0
    }
}

fn subnets<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Subnet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

/// What happens to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Send,
    /// Send it without records, so that the asker comes back another way.
    Slip,
    Drop,
}

/// One worker's memory of whom it answered: of fixed size, and of hashes only.
pub(crate) struct Limiter {
    config: RateLimit,
    /// What keys are scattered by, so that nobody can aim at a bucket.
    scatter: RandomState,
    buckets: Box<[Bucket]>,
    over: u32,
}

/// A bucket of the generic cell rate algorithm (ITU-T I.371): the time at which it will be empty.
#[derive(Clone, Copy, Default)]
struct Bucket {
    tag: u32,
    empty_at_us: u64,
}

impl Limiter {
    /// A limiter for one of so many workers, each of which sees its part of a flood.
    pub(crate) fn new(config: &RateLimit, workers: usize) -> Self {
        let workers = u32::try_from(workers.max(1)).unwrap_or(u32::MAX);
        let share = |rate: u32| if rate == 0 { 0 } else { rate.div_ceil(workers) };
        let config = RateLimit {
            records_per_second: share(config.records_per_second),
            negatives_per_second: share(config.negatives_per_second),
            ..config.clone()
        };
        let buckets = if config.is_off() { 0 } else { BUCKETS };
        Self {
            config,
            scatter: RandomState::new(),
            buckets: vec![Bucket::default(); buckets].into(),
            over: 0,
        }
    }

    /// Decides on an answer over UDP. `now` is the time since some fixed moment.
    pub(crate) fn judge(&mut self, source: IpAddr, outcome: &Outcome, now: Duration) -> Verdict {
        let rate = match outcome.kind {
            Kind::Records(_) => self.config.records_per_second,
            Kind::NoData(_) | Kind::NoName(_) | Kind::Refused | Kind::Error => {
                self.config.negatives_per_second
            }
        };
        if rate == 0 || outcome.known || self.is_exempt(source) {
            return Verdict::Send;
        }
        let mut hasher = self.scatter.build_hasher();
        self.network(source).hash(&mut hasher);
        outcome.kind.hash(&mut hasher);
        let hash = hasher.finish();
        let bucket = &mut self.buckets[hash as usize % BUCKETS];
        let tag = (hash >> 32) as u32;
        let now_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        if bucket.tag != tag {
            *bucket = Bucket { tag, empty_at_us: 0 };
        }
        let drop_us = 1_000_000 / u64::from(rate).max(1);
        let empty_at_us = bucket.empty_at_us.max(now_us) + drop_us;
        if empty_at_us <= now_us + BURST_SECONDS * 1_000_000 {
            bucket.empty_at_us = empty_at_us;
            return Verdict::Send;
        }
        self.over = self.over.wrapping_add(1);
        if self.config.slip > 0 && self.over.is_multiple_of(self.config.slip) {
            Verdict::Slip
        } else {
            Verdict::Drop
        }
    }

    fn is_exempt(&self, source: IpAddr) -> bool {
        self.config.exempt.iter().any(|subnet| subnet.contains(source))
    }

    fn network(&self, source: IpAddr) -> u128 {
        match source {
            IpAddr::V4(v4) => {
                let shift = 32_u32.saturating_sub(self.config.ipv4_prefix.into());
                u128::from(u64::from(u32::from(v4)) >> shift)
            }
            // The highest bit keeps the families apart.
            IpAddr::V6(v6) => {
                let shift = 128_u32.saturating_sub(self.config.ipv6_prefix.into());
                u128::from(v6).unbounded_shr(shift) | 1 << 127
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::ResponseCode;

    use super::*;

    const FLOODED: &str = "198.18.7.1";

    fn outcome(kind: Kind) -> Outcome {
        let rcode = ResponseCode::NoError;
        Outcome { rcode, kind, region: None, fail_static: false, truncated: false, known: false }
    }

    fn judge(limiter: &mut Limiter, from: &str, kind: Kind, milliseconds: u64) -> Verdict {
        let now = Duration::from_millis(milliseconds);
        limiter.judge(from.parse().unwrap(), &outcome(kind), now)
    }

    #[test]
    fn a_flood_gets_its_rate_and_every_second_one_over_it_is_cut_short() {
        let mut limiter = Limiter::new(&RateLimit::default(), 1);
        let verdicts: Vec<Verdict> =
            (0..1000).map(|_| judge(&mut limiter, FLOODED, Kind::NoName(0), 5)).collect();
        let count = |wanted| verdicts.iter().filter(|it| **it == wanted).count();
        assert_eq!((count(Verdict::Send), count(Verdict::Slip)), (200, 400));
        let sent = |from: &str, kind, limiter: &mut Limiter| {
            judge(limiter, from, kind, 5) == Verdict::Send
        };
        assert!(!sent("198.18.7.200", Kind::NoName(0), &mut limiter), "one network");
        assert!(sent("198.18.8.1", Kind::NoName(0), &mut limiter), "another network");
        assert!(sent(FLOODED, Kind::Records(3), &mut limiter), "another answer");
    }

    #[test]
    fn the_rate_comes_back_with_time() {
        let mut limiter = Limiter::new(&RateLimit::default(), 1);
        for _ in 0..300 {
            judge(&mut limiter, FLOODED, Kind::Refused, 0);
        }
        let sent = (0..1000).filter(|millisecond| {
            judge(&mut limiter, FLOODED, Kind::Refused, *millisecond) == Verdict::Send
        });
        assert!((195..=201).contains(&sent.count()), "200 in the second that follows");
    }

    #[test]
    fn the_known_and_the_exempt_are_never_limited_and_0_limits_nobody() {
        let mut limiter = Limiter::new(&RateLimit::default(), 2);
        let mut off = Limiter::new(&RateLimit::off(), 1);
        for _ in 0..5000 {
            assert_eq!(judge(&mut limiter, "127.0.0.9", Kind::Refused, 0), Verdict::Send);
            assert_eq!(judge(&mut off, FLOODED, Kind::Refused, 0), Verdict::Send);
            let known = Outcome { known: true, ..outcome(Kind::Refused) };
            let verdict = limiter.judge(FLOODED.parse().unwrap(), &known, Duration::ZERO);
            assert_eq!(verdict, Verdict::Send);
        }
    }
}
