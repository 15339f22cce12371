//! The framing of HTTP/1.1: the first thing that a connection's bytes reach.
#![no_main]

#[path = "../properties/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wire::has_one_reading(bytes));
