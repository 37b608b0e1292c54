//! Files of known formats, read as the jail reads them: whatever they claim, it ends, in bounded memory, and without a lie.

use rex_jail::content::archive::{ArchiveReader, MemberKind, path_below};
use rex_jail::content::certificate;
use rex_jail::content::elf::ElfInfo;
use rex_jail::content::gzip::Inflater;
use rex_jail::content::pieces::ReadAt;
use rex_jail::error::Fallible;
use rex_jail::text::Pieces;

/// Bytes that come in pieces of one length.
struct Memory<'b> {
    rest: &'b [u8],
    piece_bytes: usize,
}

impl Pieces for Memory<'_> {
    fn next_piece(&mut self) -> Fallible<Option<Vec<u8>>> {
        let (piece, rest) = self.rest.split_at(self.rest.len().min(self.piece_bytes));
        self.rest = rest;
        Ok(if piece.is_empty() { None } else { Some(piece.to_vec()) })
    }
}

/// Decompression gives the same however its input is cut, up to damage, in pieces that are neither empty nor large.
pub fn gzip_content(bytes: &[u8]) {
    let inflated = |piece_bytes| {
        let mut content = Vec::new();
        let mut inflater = Inflater::new(Memory { rest: bytes, piece_bytes });
        while content.len() < MOST_CONTENT_BYTES {
            match inflater.next_piece() {
                Ok(Some(piece)) => {
                    assert!(!piece.is_empty() && piece.len() <= 32 * 1024, "{} bytes at once", piece.len());
                    content.extend(piece);
                }
                Ok(None) => return (content, None),
                Err(reason) => return (content, Some(reason.to_string())),
            }
        }
        content.truncate(MOST_CONTENT_BYTES);
        (content, None)
    };

    let (whole, bytewise) = (inflated(usize::MAX), inflated(1));
    assert_eq!(whole.1, bytewise.1);
    // What the last step before damage gave is lost with it, and in small pieces the steps are smaller.
    assert!(bytewise.0.starts_with(&whole.0));
    assert!(whole.0.len() == bytewise.0.len() || whole.1.is_some());
}

/// An archive has the same entries however it is cut, and every path that comes of one leads below the directory.
pub fn archive_entries(bytes: &[u8]) {
    let read = |piece_bytes| {
        let mut archive = ArchiveReader::new(Memory { rest: bytes, piece_bytes });
        let mut found = Vec::new();
        loop {
            let member = match archive.next_member() {
                Ok(Some(member)) => member,
                Ok(None) => return (found, None),
                Err(reason) => return (found, Some(reason.to_string())),
            };
            check_path(&member.name);
            let mut content = Vec::new();
            // A sparse file may be of any length; its holes are not in the archive.
            while content.len() < MOST_CONTENT_BYTES {
                match archive.next_content(1000) {
                    Ok(Some(part)) => content.extend(part),
                    Ok(None) => break,
                    Err(reason) => return (found, Some(reason.to_string())),
                }
            }
            assert!(member.kind == MemberKind::File || content.is_empty(), "{member:?}");
            found.push((member, content));
        }
    };

    assert_eq!(read(usize::MAX), read(1));
}

fn check_path(name: &[u8]) {
    let Ok(path) = path_below(name) else { return };
    assert!(rex_ipc::name::is_canonical(&path), "{path:?}");
    if path.is_empty() {
        return;
    }
    for part in rex_ipc::name::to_bytes(&path).split(|&byte| byte == b'/') {
        assert!(!part.is_empty() && part != b"." && part != b".." && !part.contains(&0), "{path:?}");
    }
}

/// Whatever stands in the files, a chain is verified or refused, and nothing of it makes the parser fail.
///
/// That a certificate with other text is refused is no property: line ends, texts around it and unused bits of its last
/// letter may differ.
pub fn certificate_chains(bytes: &[u8]) {
    const ROOT: &[u8] = include_bytes!("../../seeds/certificate_chains/root");
    const ISSUED: &[u8] = include_bytes!("../../seeds/certificate_chains/chain");
    const NOW: u64 = 1_761_057_000;

    let _ = certificate::verify(bytes, ROOT, &[ISSUED.to_vec()], NOW);
    let _ = certificate::verify(ISSUED, bytes, &[bytes.to_vec()], NOW);
}

/// An ELF file of any content is described or refused, and no more of it is read than its headers can take.
pub fn elf_headers(bytes: &[u8]) {
    struct Counted<'b> {
        bytes: &'b [u8],
        read_bytes: usize,
    }

    impl ReadAt for Counted<'_> {
        fn read_at(&mut self, offset_bytes: u64, length: usize) -> Fallible<Vec<u8>> {
            self.read_bytes += length;
            let from = usize::try_from(offset_bytes).unwrap_or(usize::MAX).min(self.bytes.len());
            Ok(self.bytes[from..].iter().take(length).copied().collect())
        }
    }

    let mut file = Counted { bytes, read_bytes: 0 };
    if let Ok(info) = ElfInfo::of(&mut file) {
        for text in [&info.execfn, &info.platform, &info.interpreter].into_iter().flatten() {
            assert!(rex_ipc::name::is_canonical(text) && !text.contains('\0'), "{text:?}");
        }
    }
    assert!(file.read_bytes < 64 * 1024 * 1024, "{} bytes", file.read_bytes);
}

/// How far a fuzzer follows one stream.
const MOST_CONTENT_BYTES: usize = 256 * 1024;
