//! Telling a person what is going on while they wait, and how long each phase took.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::Clock;

/// Phases of something that takes a while.
pub struct Progress {
    bar: ProgressBar,
    seconds: Vec<(&'static str, f64)>,
    current: Option<(&'static str, Instant)>,
}

impl Progress {
    /// So many phases. On a terminal a bar, elsewhere nothing: logs tell the rest.
    pub fn new(phases: u64) -> Self {
        let bar = ProgressBar::new(phases);
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg} {elapsed}");
        bar.set_style(style.expect("the template is well formed"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, seconds: Vec::new(), current: None }
    }

    /// The next phase begins.
    pub fn phase(&mut self, name: &'static str, words: &'static str) {
        self.end();
        self.bar.set_message(words);
        self.current = Some((name, Clock::instant()));
    }

    /// All phases are over; how long each took.
    pub fn done(mut self) -> Vec<(&'static str, f64)> {
        self.end();
        self.bar.finish_and_clear();
        self.seconds
    }

    fn end(&mut self) {
        if let Some((name, began)) = self.current.take() {
            self.seconds.push((name, (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0));
            self.bar.inc(1);
        }
    }
}
