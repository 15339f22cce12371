//! The fuzz targets' properties, on the stable compiler and with every `make test`.
//!
//! The properties stand in `fuzz/properties`, once, for both: here proptest makes the inputs,
//! mostly near what is valid; under `make fuzz` coverage guides them.

// Tests assert; a panic is how they say no.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../fuzz/properties/facade.rs"]
mod facade;
#[path = "../../fuzz/properties/forwarded.rs"]
mod forwarded;
#[path = "../../fuzz/properties/host.rs"]
mod host;
mod inputs;
#[path = "../../fuzz/properties/proxy_header.rs"]
mod proxy_header;
#[path = "../../fuzz/properties/response/mod.rs"]
mod response;
mod responses;
#[path = "../../fuzz/properties/wire.rs"]
mod wire;
#[path = "../../fuzz/properties/yaml.rs"]
mod yaml;

use proptest::collection::vec;
use proptest::prelude::*;

/// It is of our own client that this is said.
fn read_in_one_way(bytes: &[u8]) {
    if !cfg!(feature = "hyper-upstream") {
        response::is_read_in_one_way(bytes);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_host_or_are_refused(bytes in vec(any::<u8>(), 0..300)) {
        host::parses_or_is_refused(&bytes);
    }

    #[test]
    fn what_looks_like_a_host_is_one_or_is_refused(
        text in "\\[?[a-zA-Z0-9_:.-]{0,30}(\\.[a-zA-Z0-9-]{0,70}){0,5}\\]?\\.?(:[0-9]{0,6})?",
    ) {
        host::parses_or_is_refused(text.as_bytes());
    }

    #[test]
    fn any_bytes_are_a_proxy_header_or_none(bytes in vec(any::<u8>(), 0..300)) {
        proxy_header::has_one_end(&bytes);
    }

    #[test]
    fn what_looks_like_a_proxy_header_has_one_end(bytes in inputs::proxy_header()) {
        proxy_header::has_one_end(&bytes);
    }

    #[test]
    fn any_bytes_have_one_reading(bytes in vec(any::<u8>(), 0..600)) {
        wire::has_one_reading(&bytes);
    }

    #[test]
    fn what_looks_like_requests_has_one_reading(bytes in inputs::requests()) {
        wire::has_one_reading(&bytes);
    }

    #[test]
    fn any_bytes_are_read_in_one_way(bytes in vec(any::<u8>(), 0..200)) {
        read_in_one_way(&bytes);
    }

    #[test]
    fn what_looks_like_an_answer_is_read_in_one_way(bytes in responses::exchange()) {
        read_in_one_way(&bytes);
    }

    #[test]
    fn any_chain_names_no_made_up_client(bytes in vec(any::<u8>(), 0..200)) {
        forwarded::names_no_made_up_client(&bytes);
    }

    #[test]
    fn what_looks_like_a_chain_names_no_made_up_client(text in inputs::chain()) {
        forwarded::names_no_made_up_client(text.as_bytes());
    }

    #[test]
    fn whatever_an_application_says_shows_one_host(bytes in vec(any::<u8>(), 0..100)) {
        facade::shows_one_host(&bytes);
    }

    #[test]
    fn what_looks_like_urls_and_cookies_shows_one_host(text in inputs::of_itself()) {
        facade::shows_one_host(text.as_bytes());
    }

    #[test]
    fn any_text_loads_or_says_why(text in "\\PC{0,200}") {
        yaml::loads_or_says_why(text.as_bytes());
    }

    #[test]
    fn what_looks_like_a_configuration_loads_or_says_why(text in inputs::configuration()) {
        yaml::loads_or_says_why(text.as_bytes());
    }
}

#[test]
fn answers_at_their_bounds_are_read_in_one_way() {
    for answer in responses::at_bounds() {
        for (asked, cut) in [(0, 0), (0, 255), (8, 0), (8, 255)] {
            read_in_one_way(&[&[asked, cut][..], &answer].concat());
        }
    }
}

#[test]
fn the_fuzzers_seeds_hold() {
    let properties = [
        ("host", host::parses_or_is_refused as fn(&[u8])),
        ("facade", facade::shows_one_host),
        ("wire", wire::has_one_reading),
        ("response", read_in_one_way),
        ("forwarded", forwarded::names_no_made_up_client),
        ("yaml", yaml::loads_or_says_why),
    ];
    for (folder, property) in properties {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(folder);
        let mut seeds = 0;
        for file in std::fs::read_dir(&folder).expect("a corpus") {
            property(&std::fs::read(file.expect("an entry").path()).expect("a seed"));
            seeds += 1;
        }
        assert!(seeds > 0, "no seed in {}", folder.display());
    }
}
