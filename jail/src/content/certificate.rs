//! Does a server's certificate go back to a root that the caller trusts?

use std::time::Duration;

use rex_ipc::failure::ErrorKind;
use rex_ipc::runtime::Now;
use rhai::{Array, EvalAltResult, NativeCallContext, Position};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::error::{Fallible, TooLarge, io_error, too_large};
use crate::file_system::file::FileHandle;
use crate::session::Session;
use crate::text::{ByteStream, Redaction, string_limit};
use crate::value;

/// Verifies the certificate in one file against the root in another, with what intermediate ones stand in both and in
/// the others, for server authentication at the present time. Names and revocation are not looked at.
///
/// # Errors
/// The broker's failures: each file must be one that may be read; kind `Other`, `Certificate parse error: ...` or
/// `Certificate verification error: ...`; the limit on strings.
pub fn verify_files(
    context: &NativeCallContext,
    server: &FileHandle,
    root: &FileHandle,
    intermediates: &[FileHandle],
) -> Fallible<()> {
    let server = content(context, server)?;
    let root = content(context, root)?;
    let intermediates: Vec<Vec<u8>> =
        intermediates.iter().map(|file| content(context, file)).collect::<Fallible<_>>()?;
    let now = Session::of(context).ask(value::line(context), Now {})?.realtime;
    let seconds = u64::try_from(now.seconds).unwrap_or(0);
    verify(&server, &root, &intermediates, seconds)
        .map_err(|reason| io_error(ErrorKind::Other, reason.to_string()))
}

/// The files of an array that must have nothing else.
///
/// # Errors
/// The engine's error for a value of another type.
pub fn files(elements: Array) -> Fallible<Vec<FileHandle>> {
    let file = |element: rhai::Dynamic| element.try_cast::<FileHandle>();
    elements.into_iter().map(|element| file(element).ok_or_else(not_files)).collect()
}

fn not_files() -> Box<EvalAltResult> {
    EvalAltResult::ErrorMismatchDataType(
        "Array<RcFileHandle>".into(),
        "Array with non-file-handle elements".into(),
        Position::NONE,
    )
    .into()
}

fn content(context: &NativeCallContext, file: &FileHandle) -> Fallible<Vec<u8>> {
    let mut stream = ByteStream::of_file(context, file.object(), file.path(), 0, Redaction::Refused)?;
    let limit = string_limit(&Session::of(context));
    let mut content = Vec::new();
    while let Some(piece) = stream.next_piece()? {
        if content.len().saturating_add(piece.len()) > limit {
            return Err(too_large(TooLarge::Text));
        }
        content.extend_from_slice(&piece);
    }
    Ok(content)
}

/// Why a certificate is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// There is none, or it cannot be read.
    Parse(String),
    /// It can be read and does not go back to the root.
    Verification(String),
}

impl std::fmt::Display for CertificateError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Parse(reason) => write!(out, "Certificate parse error: {reason}"),
            Self::Verification(reason) => {
                write!(out, "Certificate verification error: Certificate chain verification failed: {reason}")
            }
        }
    }
}

/// Verifies certificates in the text form of PEM: the first one of the server's against the first one of the root's.
///
/// # Errors
/// What is wrong with them.
///
/// # Source
/// RFC 7468 for the form, RFC 5280 section 6 for the chain.
pub fn verify(
    server: &[u8],
    root: &[u8],
    intermediates: &[Vec<u8>],
    unix_seconds: u64,
) -> Result<(), CertificateError> {
    let roots = certificates(root)?;
    let root = roots.first().ok_or_else(|| missing("No certificates found in root CA file"))?;
    let anchor = anchor_from_trusted_cert(root).map_err(|reason| unreadable("root CA", reason))?;
    let mut chain = certificates(server)?;
    if chain.is_empty() {
        return Err(missing("No certificates found in server certificate file"));
    }
    let leaf = chain.remove(0);
    let leaf = EndEntityCert::try_from(&leaf).map_err(|reason| unreadable("server", reason))?;
    for file in intermediates {
        chain.extend(certificates(file)?);
    }
    let time = UnixTime::since_unix_epoch(Duration::from_secs(unix_seconds));
    let usage = KeyUsage::server_auth();
    leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &[anchor], &chain, time, usage, None, None)
        .map(|_| ())
        .map_err(|reason| CertificateError::Verification(reason.to_string()))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|reason| CertificateError::Parse(format!("Failed to parse PEM certificates: {reason}")))
}

fn missing(reason: &str) -> CertificateError {
    CertificateError::Parse(reason.into())
}

fn unreadable(which: &str, reason: webpki::Error) -> CertificateError {
    CertificateError::Parse(format!("Failed to parse {which} certificate: {reason}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::testing::Bench;

    /// The certificates of the conformance case, by the name of their file.
    fn samples() -> BTreeMap<String, Vec<u8>> {
        let case = include_str!("../../../tests/conformance/cases/fs.cert.chain.json");
        let case: serde_json::Value = serde_json::from_str(case).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let steps = case["setup"].as_array().unwrap();
        steps.iter().map(|step| (text(&step["file"]), text(&step["content"]).into_bytes())).collect()
    }

    fn outcome(server: &[u8], root: &[u8], intermediates: &[&str], unix_seconds: u64) -> String {
        let samples = samples();
        let intermediates: Vec<Vec<u8>> = intermediates.iter().map(|name| samples[*name].clone()).collect();
        match verify(server, root, &intermediates, unix_seconds) {
            Ok(()) => "valid".into(),
            Err(reason) => reason.to_string(),
        }
    }

    const NOW: u64 = 1_761_057_000;

    #[test]
    fn a_chain_is_valid_when_every_link_is() {
        let samples = samples();
        let of = |name: &str| samples[name].as_slice();
        let failed = "Certificate verification error: Certificate chain verification failed: ";

        assert_eq!(outcome(of("leaf.pem"), of("root.pem"), &["inter.pem"], NOW), "valid");
        assert_eq!(outcome(of("chain.pem"), of("root.pem"), &[], NOW), "valid");
        assert_eq!(outcome(of("leaf.pem"), of("root.pem"), &["junk.pem", "inter.pem"], NOW), "valid");
        for (server, root, intermediates, now, reason) in [
            ("leaf.pem", "root.pem", &[][..], NOW, "UnknownIssuer"),
            ("leaf.pem", "other.pem", &["inter.pem"], NOW, "UnknownIssuer"),
            ("old.pem", "root.pem", &[], NOW, "CertExpired"),
            ("leaf.pem", "root.pem", &["inter.pem"], 0, "CertNotValidYet"),
            ("inter.pem", "root.pem", &[], NOW, "CaUsedAsEndEntity"),
        ] {
            let outcome = outcome(of(server), of(root), intermediates, now);
            assert!(outcome.starts_with(&format!("{failed}{reason}")), "{outcome}");
        }
    }

    #[test]
    fn what_was_changed_is_not_valid() {
        use rustls_pki_types::pem::PemObject;
        let samples = samples();
        let mut parsed = CertificateDer::from_pem_slice(&samples["leaf.pem"]).unwrap().to_vec();
        // The serial number, which the signature covers and nothing else looks at.
        let place = parsed.windows(4).position(|bytes| bytes == [2, 2, 0x10, 3]).unwrap();
        parsed[place + 3] ^= 1;
        let anchor_root = CertificateDer::from_pem_slice(&samples["root.pem"]).unwrap();
        let inter = CertificateDer::from_pem_slice(&samples["inter.pem"]).unwrap();
        let leaf = CertificateDer::from(parsed);

        let leaf = EndEntityCert::try_from(&leaf).unwrap();
        let anchor = anchor_from_trusted_cert(&anchor_root).unwrap();
        let time = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
        let outcome = leaf
            .verify_for_usage(
                ALL_VERIFICATION_ALGS,
                &[anchor],
                &[inter],
                time,
                KeyUsage::server_auth(),
                None,
                None,
            )
            .map(|_| ());

        assert_eq!(outcome, Err(webpki::Error::InvalidSignatureForPublicKey));
    }

    #[test]
    fn files_without_a_certificate_are_told_apart() {
        let samples = samples();
        let (leaf, root, junk) = (&samples["leaf.pem"], &samples["root.pem"], &samples["junk.pem"]);
        let broken = b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
        let empty = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

        for (server, root, reason) in [
            (leaf.as_slice(), junk.as_slice(), "No certificates found in root CA file"),
            (junk, root, "No certificates found in server certificate file"),
            (broken, root, "Failed to parse PEM certificates: "),
            (&b"-----BEGIN CERTIFICATE-----\nAAAA\n"[..], root, "Failed to parse PEM certificates: "),
            (empty, root, "Failed to parse server certificate: "),
            (leaf, empty, "Failed to parse root CA certificate: "),
        ] {
            let outcome = outcome(server, root, &[], NOW);
            assert!(outcome.starts_with(&format!("Certificate parse error: {reason}")), "{outcome}");
        }
    }

    const OPEN: &str = r#"
        let d = DirConfig().path("/d").build().open(OpenDirOptions().build());
        let open = |name| d.open_file(name, OpenFileOptions().read(true).build());
        let why = |e| if "kind" in e { `${e.kind}: ${e.message}` } else { e.message };
    "#;

    fn bench() -> Bench {
        samples()
            .into_iter()
            .fold(Bench::new(), |bench, (name, content)| bench.file(&format!("/d/{name}"), content))
    }

    #[test]
    fn files_are_verified_at_the_time_of_the_call() {
        let script = r#"
            let r = [open.call("chain.pem").verify_cert(open.call("root.pem")),
                     open.call("leaf.pem").verify_cert_chain(open.call("root.pem"), [open.call("inter.pem")])];
            try { open.call("old.pem").verify_cert(open.call("root.pem")) } catch (e) { r.push(why.call(e).sub_string(0, 89)) }
            try { open.call("leaf.pem").verify_cert_chain(open.call("root.pem"), ["x"]) } catch (e) { r.push(why.call(e)); r.push("kind" in e) }
            r
        "#;

        assert_eq!(
            bench().output(&format!("{OPEN}{script}")),
            r#"[(), (), "Other: Certificate verification error: Certificate chain verification failed: CertExpired", "Data type incorrect: Array with non-file-handle elements (expecting Array<RcFileHandle>)", false]"#
        );
    }

    #[test]
    fn each_file_must_be_one_that_may_be_read() {
        let script = |options: &str| {
            format!(
                r#"{OPEN} d.open_file("leaf.pem", OpenFileOptions(){options}.build())
                   .verify_cert_chain(open.call("root.pem"), [open.call("inter.pem")])"#
            )
        };

        for name in ["leaf.pem", "root.pem", "inter.pem"] {
            let failure = bench().denying("read", &format!("/d/{name}")).failure(&script(".read(true)"));
            assert!(failure.contains(&format!("\"read\" for file_system::File::/d/{name}")), "{failure}");
        }
        assert!(bench().failure(&script(".write(true)")).contains("InvalidFileMode"));
    }
}
