//! Gives the fuzzer's bytes to `rex_fuzz_bodies::delegation_tokens`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rex_fuzz_bodies::delegation_tokens(bytes));
