//! Gives the fuzzer's bytes to `rex_fuzz_bodies::kernel_tables`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rex_fuzz_bodies::kernel_tables(bytes));
