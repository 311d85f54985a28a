//! Raw bytes through both paths of the name server.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meridian_geo_routing_fuzz::{input, verdict};

fuzz_target!(
    init: verdict::watch(),
    |bytes: &[u8]| {
        if let Some((choice, packet)) = input::split(bytes) {
            let (world, asker) = choice.asker();
            verdict::judge(world, packet, &asker);
        }
    }
);
