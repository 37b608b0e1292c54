//! What an ELF file says of itself: its class, its interpreter, and, when it is a core file, what was run.

use object::elf::{ET_CORE, FileHeader32, FileHeader64, NT_AUXV, PN_XNUM, PT_INTERP, PT_LOAD, PT_NOTE};
use object::read::elf::{FileHeader, NoteIterator, ProgramHeader, SectionHeader};
use object::{Endian, Endianness, pod};
use rex_ipc::failure::ErrorKind;
use rex_ipc::name;
use rhai::{Dynamic, EvalAltResult, ImmutableString, Map};

use super::pieces::ReadAt;
use crate::error::{Fallible, io_error};

/// What an ELF file says of itself. Texts are in the form of [`rex_ipc::name`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElfInfo {
    /// The path of the program that was run, of a core file.
    pub execfn: Option<ImmutableString>,
    /// The platform it was run on, of a core file.
    pub platform: Option<ImmutableString>,
    /// The path of the program's interpreter.
    pub interpreter: Option<ImmutableString>,
    /// Whether it is of the 64-bit class.
    pub is_64bit: bool,
}

impl ElfInfo {
    /// Reads the headers, and of a core file the notes and up to two texts of its memory.
    ///
    /// # Errors
    /// `ValidationError`, `Failed to parse ELF file: ...`; those of the content.
    ///
    /// # Source
    /// elf(5), core(5), getauxval(3).
    pub fn of(file: &mut impl ReadAt) -> Fallible<Self> {
        let head = file.read_at(0, size_of::<FileHeader64<Endianness>>())?;
        match FileHeader64::<Endianness>::parse(head.as_slice()) {
            Ok(header) => describe(header, file),
            Err(_) => {
                let header = FileHeader32::<Endianness>::parse(head.as_slice()).map_err(malformed)?;
                describe(header, file)
            }
        }
    }

    /// The fields as a map.
    pub fn to_map(&self) -> Map {
        [
            ("execfn", optional(self.execfn.as_ref())),
            ("platform", optional(self.platform.as_ref())),
            ("interpreter", optional(self.interpreter.as_ref())),
            ("is_64bit", Dynamic::from_bool(self.is_64bit)),
        ]
        .into_iter()
        .map(|(key, field)| (key.into(), field))
        .collect()
    }
}

/// A text, or nothing.
pub fn optional(text: Option<&ImmutableString>) -> Dynamic {
    text.map_or(Dynamic::UNIT, |text| Dynamic::from(text.clone()))
}

/// A part of the file that is a part of memory.
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

fn describe<H: FileHeader<Endian = Endianness>>(header: &H, file: &mut impl ReadAt) -> Fallible<ElfInfo> {
    let endian = header.endian().map_err(malformed)?;
    let segments = segments(header, endian, file)?;
    let mut info = ElfInfo { is_64bit: header.is_type_64(), ..ElfInfo::default() };
    if let Some(segment) = segments.iter().find(|segment| segment.kind == PT_INTERP) {
        info.interpreter = Some(text_at(file, segment.offset, segment.size)?);
    }
    if header.e_type(endian) == ET_CORE
        && let Some(vector) = auxiliary_vector::<H>(&segments, endian, file)?
    {
        info.execfn = text_in_memory(&segments, file, vector.execfn)?;
        info.platform = text_in_memory(&segments, file, vector.platform)?;
    }
    Ok(info)
}

/// The program headers, read in pieces.
fn segments<H: FileHeader<Endian = Endianness>>(
    header: &H,
    endian: Endianness,
    file: &mut impl ReadAt,
) -> Fallible<Vec<Segment>> {
    let count = segment_count(header, endian, file)?;
    let size = size_of::<H::ProgramHeader>();
    if count > 0 && usize::from(header.e_phentsize(endian)) != size {
        return Err(invalid("Invalid ELF program header entry size"));
    }
    let start: u64 = header.e_phoff(endian).into();
    let mut segments = Vec::new();
    while segments.len() < count {
        let wanted = count.saturating_sub(segments.len()).min(HEADERS_AT_ONCE);
        let offset = (segments.len() as u64).saturating_mul(size as u64).saturating_add(start);
        let bytes = file.read_at(offset, wanted.saturating_mul(size))?;
        let (headers, _) = pod::slice_from_bytes::<H::ProgramHeader>(&bytes, wanted)
            .map_err(|()| invalid("Invalid ELF program header size or alignment"))?;
        segments.extend(headers.iter().map(|header| Segment {
            kind: header.p_type(endian),
            offset: header.p_offset(endian).into(),
            address: header.p_vaddr(endian).into(),
            size: header.p_filesz(endian).into(),
        }));
    }
    Ok(segments)
}

/// elf(5): when there are more than fit the field, it is [`PN_XNUM`] and the first section header has the number.
fn segment_count<H: FileHeader<Endian = Endianness>>(
    header: &H,
    endian: Endianness,
    file: &mut impl ReadAt,
) -> Fallible<usize> {
    let (start, first_section): (u64, u64) = (header.e_phoff(endian).into(), header.e_shoff(endian).into());
    let number = header.e_phnum(endian);
    if start == 0 {
        return Ok(0);
    }
    if number != PN_XNUM {
        return Ok(number.into());
    }
    let missing = || invalid("Missing ELF section headers for e_phnum overflow");
    if first_section == 0 {
        return Err(missing());
    }
    let bytes = file.read_at(first_section, size_of::<H::SectionHeader>())?;
    let (section, _) = pod::from_bytes::<H::SectionHeader>(&bytes).map_err(|()| missing())?;
    match usize::try_from(section.sh_info(endian)) {
        Ok(count) if count <= MOST_SEGMENTS => Ok(count),
        _ => Err(invalid("Too many ELF program headers")),
    }
}

/// Where in memory a core file says that the texts are.
struct AuxiliaryVector {
    execfn: Option<u64>,
    platform: Option<u64>,
}

fn auxiliary_vector<H: FileHeader<Endian = Endianness>>(
    segments: &[Segment],
    endian: Endianness,
    file: &mut impl ReadAt,
) -> Fallible<Option<AuxiliaryVector>> {
    for segment in segments.iter().filter(|segment| segment.kind == PT_NOTE).take(MOST_NOTE_SEGMENTS) {
        let size = usize::try_from(segment.size).unwrap_or(usize::MAX).min(MOST_NOTE_BYTES);
        let bytes = file.read_at(segment.offset, size)?;
        // Core files align their notes to four bytes, which is what an alignment of 0 stands for.
        let notes = NoteIterator::<H>::new(endian, H::Word::default(), &bytes).map_err(malformed)?;
        // A note that was cut off ends the list: what is wanted stands near its start.
        for note in notes.map_while(Result::ok) {
            if note.n_type(endian) == NT_AUXV && note.name() == b"CORE" {
                return Ok(Some(AuxiliaryVector::read(note.desc(), H::is_type_64_sized(), endian)));
            }
        }
    }
    Ok(None)
}

impl AuxiliaryVector {
    /// Pairs of a type and a value, each a word.
    fn read(bytes: &[u8], is_64bit: bool, endian: Endianness) -> Self {
        let word = if is_64bit { 8 } else { 4 };
        let words: Vec<u64> = bytes.chunks_exact(word).map(|bytes| number(bytes, endian)).collect();
        let value = |wanted: u64| {
            words.chunks_exact(2).find_map(|pair| match pair {
                [kind, value] if *kind == wanted => Some(*value),
                _ => None,
            })
        };
        Self { execfn: value(AT_EXECFN), platform: value(AT_PLATFORM) }
    }
}

fn number(bytes: &[u8], endian: Endianness) -> u64 {
    match (<[u8; 8]>::try_from(bytes), <[u8; 4]>::try_from(bytes)) {
        (Ok(wide), _) => endian.read_u64(wide),
        (_, Ok(narrow)) => endian.read_u32(narrow).into(),
        _ => 0,
    }
}

/// The text at an address of the memory that a core file holds; nothing when it does not hold that.
fn text_in_memory(
    segments: &[Segment],
    file: &mut impl ReadAt,
    address: Option<u64>,
) -> Fallible<Option<ImmutableString>> {
    let place = address.and_then(|address| {
        let loaded = segments.iter().filter(|segment| segment.kind == PT_LOAD);
        loaded.filter_map(|segment| Some((segment, address.checked_sub(segment.address)?))).find_map(
            |(segment, into)| {
                let rest = segment.size.checked_sub(into).filter(|&rest| rest > 0)?;
                Some((segment.offset.checked_add(into)?, rest))
            },
        )
    });
    place.map(|(offset, most)| text_at(file, offset, most)).transpose()
}

/// The text at a place of the file, up to its NUL, and no longer than any path.
fn text_at(file: &mut impl ReadAt, offset: u64, most: u64) -> Fallible<ImmutableString> {
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(MOST_TEXT_BYTES);
    let bytes = file.read_at(offset, most)?;
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(name::to_text(text).into())
}

fn malformed(reason: object::read::Error) -> Box<EvalAltResult> {
    invalid(&reason.to_string())
}

fn invalid(reason: &str) -> Box<EvalAltResult> {
    let message = format!("Validation error: Failed to parse ELF file: {reason}");
    io_error(ErrorKind::ValidationError, message)
}

/// linux/auxvec.h: the name of the file that was executed.
const AT_EXECFN: u64 = 31;

/// linux/auxvec.h: the processor, as a text.
const AT_PLATFORM: u64 = 15;

const HEADERS_AT_ONCE: usize = 1024;

/// Twice the most mappings that a process has unless its host was told otherwise (`vm.max_map_count`).
const MOST_SEGMENTS: usize = 131_072;

/// A core file has one.
const MOST_NOTE_SEGMENTS: usize = 8;

/// The notes of the first thread, among which the vector is, have a few thousand bytes.
const MOST_NOTE_BYTES: usize = 1024 * 1024;

/// PATH_MAX.
const MOST_TEXT_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    /// A file in memory that counts what is read of it.
    struct Memory {
        content: Vec<u8>,
        read_bytes: usize,
    }

    impl ReadAt for Memory {
        fn read_at(&mut self, offset_bytes: u64, length: usize) -> Fallible<Vec<u8>> {
            let from = usize::try_from(offset_bytes).unwrap_or(usize::MAX).min(self.content.len());
            let bytes = self.content[from..].iter().take(length).copied().collect::<Vec<u8>>();
            self.read_bytes += bytes.len();
            Ok(bytes)
        }
    }

    fn read(content: &[u8]) -> Fallible<ElfInfo> {
        ElfInfo::of(&mut Memory { content: content.to_vec(), read_bytes: 0 })
    }

    /// How an ELF file is written: with words of eight or four bytes, the lowest or the highest byte first.
    #[derive(Clone, Copy)]
    struct Form {
        wide: bool,
        little: bool,
    }

    impl Form {
        fn number(self, value: u64, bytes: usize) -> Vec<u8> {
            let mut number = value.to_le_bytes()[..bytes].to_vec();
            if !self.little {
                number.reverse();
            }
            number
        }

        fn word(self, value: u64) -> Vec<u8> {
            self.number(value, if self.wide { 8 } else { 4 })
        }

        fn header(self, kind: u64, segments: u64) -> Vec<u8> {
            let (class, data) = (1 + u8::from(self.wide), if self.little { 1 } else { 2 });
            let (size, segment_size) = if self.wide { (64, 56) } else { (52, 32) };
            [
                vec![0x7f, b'E', b'L', b'F', class, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                self.number(kind, 2),
                self.number(62, 2),
                self.number(1, 4),
                self.word(0),
                self.word(size),
                self.word(0),
                self.number(0, 4),
                self.number(size, 2),
                self.number(segment_size, 2),
                self.number(segments, 2),
                vec![0; 6],
            ]
            .concat()
        }

        fn segment(self, kind: u64, offset: u64, address: u64, size: u64) -> Vec<u8> {
            let flags = self.number(4, 4);
            let (early, late) = if self.wide { (flags, Vec::new()) } else { (Vec::new(), flags) };
            let words = [offset, address, 0, size, size].map(|word| self.word(word)).concat();
            [self.number(kind, 4), early, words, late, self.word(1)].concat()
        }

        /// A core file: a note with the vector, and one segment of memory with two texts.
        fn core(self) -> Vec<u8> {
            let vector: Vec<u8> =
                [6, 4096, 31, 0x1002, 15, 0x100a, 0, 0].iter().flat_map(|&word| self.word(word)).collect();
            let note = |kind: u64, name: &[u8], content: &[u8]| {
                [
                    self.number(name.len() as u64, 4),
                    self.number(content.len() as u64, 4),
                    self.number(kind, 4),
                    name.to_vec(),
                    vec![0; name.len().next_multiple_of(4) - name.len()],
                    content.to_vec(),
                ]
                .concat()
            };
            let notes = [
                note(1, b"CORE\0", b"registers..."),
                note(6, b"OTHER\0", &[7; 64]),
                note(6, b"CORE\0", &vector),
            ]
            .concat();
            let memory = b"..\xffbin/x\0.x86_64\0";
            let start = if self.wide { 64 + 2 * 56 } else { 52 + 2 * 32 };
            [
                self.header(4, 2),
                self.segment(4, start, 0, notes.len() as u64),
                self.segment(1, start + notes.len() as u64, 0x1000, memory.len() as u64),
                notes,
                memory.to_vec(),
            ]
            .concat()
        }

        fn program(self) -> Vec<u8> {
            let end = if self.wide { 64 + 56 } else { 52 + 32 };
            [self.header(3, 1), self.segment(3, end, 0, 10), b"/lib/ld.so".to_vec()].concat()
        }
    }

    const FORMS: [Form; 4] = [
        Form { wide: true, little: true },
        Form { wide: true, little: false },
        Form { wide: false, little: true },
        Form { wide: false, little: false },
    ];

    #[test]
    fn a_program_names_its_interpreter_and_a_core_file_what_was_run() {
        for form in FORMS {
            let program = read(&form.program()).unwrap();
            let core = read(&form.core()).unwrap();

            assert_eq!(program.interpreter.as_deref(), Some("/lib/ld.so"));
            assert_eq!((program.is_64bit, program.execfn), (form.wide, None));
            assert_eq!(core.execfn.as_deref(), Some("\u{10FFFF}bin/x"));
            assert_eq!((core.platform.as_deref(), core.interpreter), (Some("x86_64"), None));
        }
    }

    #[test]
    fn this_program_is_described() {
        let content = std::fs::read("/proc/self/exe").unwrap();

        let info = read(&content).unwrap();

        assert!(info.interpreter.is_some_and(|path| path.contains("ld")), "a test is linked dynamically");
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_described_or_refused() {
        for form in FORMS {
            for content in [form.core(), form.program()] {
                for length in 0..content.len() {
                    let headers = if form.wide { 64 } else { 52 };
                    assert!(read(&content[..length]).is_err() || length > headers, "{length}");
                }
            }
        }
    }

    #[test]
    fn any_byte_may_be_wrong() {
        for form in FORMS {
            let content = form.core();
            for place in 0..content.len() {
                for value in [0, 1, 4, 0x7f, 0xff] {
                    let mut content = content.clone();
                    content[place] = value;
                    let mut file = Memory { content, read_bytes: 0 };

                    let _ = ElfInfo::of(&mut file);

                    assert!(file.read_bytes < 1 << 20, "{place} {value}");
                }
            }
        }
    }

    #[test]
    fn more_headers_than_can_be_held_are_refused() {
        let form = FORMS[0];
        let mut content = form.header(4, 0xffff);
        content[40..48].copy_from_slice(&64_u64.to_le_bytes());
        let mut section = vec![0; 64];
        section[44..48].copy_from_slice(&u32::MAX.to_le_bytes());
        content.extend_from_slice(&section);

        let failure = read(&content).unwrap_err().to_string();
        let without_section = read(&form.header(4, 0xffff)).unwrap_err().to_string();

        assert!(failure.contains("Failed to parse ELF file: Too many ELF program headers"), "{failure}");
        assert!(without_section.contains("Missing ELF section headers"), "{without_section}");
    }

    #[test]
    fn a_script_sees_what_there_is() {
        let script = r#"
            let d = DirConfig().path("/d").build().open(OpenDirOptions().build());
            let info = |name| d.open_file(name, OpenFileOptions().read(true).build()).elf_info();
            let p = info.call("program");
            let c = info.call("core");
            let r = [p.interpreter, p.execfn, p.is_64bit, c.platform, p.to_map(), type_of(p)];
            try { info.call("text") } catch (e) { r.push(`${e.kind}: ${e.message}`) }
            r
        "#;
        let form = FORMS[0];
        let bench = Bench::new()
            .file("/d/program", form.program())
            .file("/d/core", form.core())
            .file("/d/text", "no ELF file")
            .chunks_of(3);

        assert_eq!(
            bench.output(script),
            r##"["/lib/ld.so", (), true, "x86_64", #{"execfn": (), "interpreter": "/lib/ld.so", "is_64bit": true, "platform": ()}, "##
                .to_owned()
                + r#""rust_safe_io::file::unix::linux::elf_info::ElfInfo", "#
                + r#""ValidationError: Validation error: Failed to parse ELF file: Invalid ELF header size or alignment"]"#
        );
        let denied = r#"DirConfig().path("/d").build().open(OpenDirOptions().build())
                        .open_file("core", OpenFileOptions().read(true).build()).elf_info()"#;
        assert!(
            bench
                .denying("read", "/d/core")
                .failure(denied)
                .contains("\"read\" for file_system::File::/d/core")
        );
    }
}
