//! Gives the fuzzer's bytes to `rex_fuzz_bodies::http_answers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rex_fuzz_bodies::http_answers(bytes));
