//! Questions made of parts through both paths of the name server.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meridian_geo_routing_fuzz::recipe::Recipe;
use meridian_geo_routing_fuzz::verdict;

fuzz_target!(
    init: verdict::watch(),
    |recipe: Recipe| {
        let (world, asker, packet) = recipe.cook();
        verdict::judge(world, &packet, &asker);
    }
);
