//! What an application says of itself, in fields that name hosts.
#![no_main]

#[path = "../properties/facade.rs"]
mod facade;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| facade::shows_one_host(bytes));
