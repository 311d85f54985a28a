//! Text as a zone file, and questions to whatever is taken for one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meridian_geo_routing_fuzz::{parish, verdict};

fuzz_target!(
    init: verdict::watch(),
    |bytes: &[u8]| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            parish::serve(text);
        }
    }
);
