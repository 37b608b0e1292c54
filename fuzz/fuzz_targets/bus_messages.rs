//! Gives the fuzzer's bytes to `rex_fuzz_bodies::bus_messages`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rex_fuzz_bodies::bus_messages(bytes));
