//! What an operator may write as a configuration.
#![no_main]

#[path = "../properties/yaml.rs"]
mod yaml;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| yaml::loads_or_says_why(bytes));
