//! What a client may call a host.
#![no_main]

#[path = "../properties/host.rs"]
mod host;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| host::parses_or_is_refused(bytes));
