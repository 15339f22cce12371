//! `X-Forwarded-For`, whoever sends it.
#![no_main]

#[path = "../properties/forwarded.rs"]
mod forwarded;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| forwarded::names_no_made_up_client(bytes));
