//! What endpoints answer over HTTP/1.1: read by the gateway's client, by a naive reader, and by hyper's client.
#![no_main]

#[path = "../properties/response/mod.rs"]
mod response;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| response::is_read_in_one_way(bytes));
