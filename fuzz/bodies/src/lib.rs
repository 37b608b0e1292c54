//! What each fuzz target does with its bytes: a property that has to hold for every input.
//!
//! The targets in `fuzz/fuzz_targets` give the fuzzer's bytes to these functions; the tests here give them seeds, so
//! that they keep compiling and keep passing.

mod changes;
mod content;
mod delegations;
mod documents;
mod errands;
mod frames;
mod host;
mod network;
mod paths;
mod policies;
mod session;

pub use content::{archive_entries, certificate_chains, elf_headers, gzip_content};
pub use delegations::delegation_tokens;
pub use documents::{argument_files, result_documents};
pub use errands::worker_errands;
pub use frames::{canonical_round_trip, frame_from_broker, frame_from_jail};
pub use network::{bus_messages, http_answers, kernel_tables, name_answers, url_forms};
pub use paths::path_resolution;
pub use policies::policy_loading;
pub use session::session;

#[cfg(test)]
mod tests {
    /// Bytes without an order, the same in every run.
    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (0..length)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            })
            .collect()
    }

    fn feed(body: fn(&[u8]), rounds: u64) {
        body(b"");
        for seed in 0..rounds {
            body(&noise(seed, (seed as usize * 7) % 400));
        }
    }

    // A finding leaves its input among the seeds, and with that a test that failed before.
    #[test]
    fn every_seed_passes() {
        type Body = fn(&[u8]);
        let targets: [(&str, Body); 19] = [
            ("frame_from_jail", super::frame_from_jail),
            ("frame_from_broker", super::frame_from_broker),
            ("canonical_round_trip", super::canonical_round_trip),
            ("session", super::session),
            ("path_resolution", super::path_resolution),
            ("policy_loading", super::policy_loading),
            ("argument_files", super::argument_files),
            ("result_documents", super::result_documents),
            ("gzip_content", super::gzip_content),
            ("archive_entries", super::archive_entries),
            ("certificate_chains", super::certificate_chains),
            ("elf_headers", super::elf_headers),
            ("worker_errands", super::worker_errands),
            ("http_answers", super::http_answers),
            ("name_answers", super::name_answers),
            ("url_forms", super::url_forms),
            ("bus_messages", super::bus_messages),
            ("kernel_tables", super::kernel_tables),
            ("delegation_tokens", super::delegation_tokens),
        ];
        let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds");
        let folders = std::fs::read_dir(&seeds).expect("there are seeds");
        assert_eq!(folders.count(), targets.len(), "each target has seeds, and no other folder");

        for (target, body) in targets {
            for seed in std::fs::read_dir(seeds.join(target)).expect("each target has seeds") {
                body(&std::fs::read(seed.expect("a seed can be read").path()).expect("a seed can be read"));
            }
        }
    }

    #[test]
    fn frames_from_the_jail_never_panic_and_round_trip() {
        feed(super::frame_from_jail, 2000);
    }

    #[test]
    fn frames_from_the_broker_never_panic() {
        feed(super::frame_from_broker, 2000);
    }

    #[test]
    fn both_codecs_agree() {
        feed(super::canonical_round_trip, 2000);
    }

    #[test]
    fn nothing_happens_without_a_permit() {
        feed(super::session, 200);
    }

    #[test]
    fn every_path_has_one_name() {
        feed(super::path_resolution, 2000);
        super::path_resolution("/a//b/./c/\u{10FF2F}x".as_bytes());
    }

    #[test]
    fn no_policy_brings_the_loader_down() {
        feed(super::policy_loading, 100);
        super::policy_loading(b"permit(principal, action, resource) when { resource.path like \"/a*\" };");
    }

    #[test]
    fn no_arguments_file_brings_the_reader_down() {
        feed(super::argument_files, 300);
        super::argument_files(br#"{"a": {"listValue": [{"integerValue": 1}]}}"#);
    }

    #[test]
    fn every_result_is_a_document() {
        feed(super::result_documents, 300);
    }
    #[test]
    fn decompression_does_not_depend_on_how_its_input_is_cut() {
        feed(super::gzip_content, 300);
        super::gzip_content(&[b"\x1f\x8b\x08\x00".as_slice(), &noise(1, 300)].concat());
    }

    #[test]
    fn no_entry_of_an_archive_leads_outside() {
        feed(super::archive_entries, 300);
    }

    #[test]
    fn no_certificate_is_forged() {
        feed(super::certificate_chains, 100);
        let broken = include_str!("../../seeds/certificate_chains/chain").replace('M', "N");
        super::certificate_chains(broken.as_bytes());
    }

    #[test]
    fn no_server_is_verified_by_bytes_alone() {
        feed(super::worker_errands, 2000);
    }

    #[test]
    fn what_comes_from_outside_is_read_in_bounds() {
        for body in [super::http_answers, super::name_answers, super::bus_messages, super::kernel_tables] {
            feed(body, 500);
        }
    }

    #[test]
    fn no_token_is_believed_that_nobody_has_signed() {
        feed(super::delegation_tokens, 500);
        super::delegation_tokens(
            br#"{"iss":"a","aud":["b"],"sub":"c","iat":1,"exp":2,"jti":"d","act":{"sub":"e"}}"#,
        );
    }

    #[test]
    fn every_url_has_one_form() {
        feed(super::url_forms, 500);
        for text in ["http://a/../b/%2e%2e/%41?#x", "HTTPS://A.example.:0443", "http://[::ffff:1.2.3.4]/a b"]
        {
            super::url_forms(text.as_bytes());
        }
    }

    #[test]
    fn elf_headers_are_read_in_bounds() {
        feed(super::elf_headers, 300);
        super::elf_headers(&[b"\x7fELF\x02\x01\x01".as_slice(), &noise(2, 400)].concat());
    }
}
