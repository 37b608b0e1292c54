//! Does the codec give each value one form, and refuse every other?

use rex_ipc::bounded::{Bytes, List, Text};
use rex_ipc::codec::{self, CodecError};
use rex_ipc::control::{Argument, Arguments, Hello, OutputBegin};
use rex_ipc::failure::{ErrorKind, Failure, FailureClass};
use rex_ipc::file_system::{ChunkLength, Entry, EntryPage, EntryType, Permissions, ReadChunk};
use rex_ipc::handle::FileId;
use rex_ipc::limits::{MAX_CHUNK_BYTES, MAX_FRAME_BYTES, MAX_LOAD_BYTES, MAX_PAGE_ENTRIES, MAX_SLEEP_MS};
use rex_ipc::runtime::{LogLevel, Metric, MetricUnit, RandomCount, Sleep, SleepMs};

fn encoded<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut space = vec![0; MAX_FRAME_BYTES];
    let length = codec::encode(value, &mut space).unwrap();
    space.truncate(length);
    space
}

#[test]
fn integers_take_the_shortest_form() {
    let form = |value: u64| encoded(&OutputBegin { total_bytes: value });

    assert_eq!(form(0), [0]);
    assert_eq!(form(250), [250]);
    assert_eq!(form(251), [251, 251, 0]);
    assert_eq!(form(0xFFFF), [251, 0xFF, 0xFF]);
    assert_eq!(form(0x1_0000), [252, 0, 0, 1, 0]);
    assert_eq!(form(0xFFFF_FFFF), [252, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert_eq!(form(0x1_0000_0000), [253, 0, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(form(u64::MAX), [253, 255, 255, 255, 255, 255, 255, 255, 255]);
}

#[test]
fn longer_forms_of_an_integer_are_refused() {
    let longer: &[&[u8]] = &[
        &[251, 0, 0],
        &[251, 250, 0],
        &[252, 1, 0, 0, 0],
        &[252, 0xFF, 0xFF, 0, 0],
        &[253, 1, 0, 0, 0, 0, 0, 0, 0],
        &[253, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0],
    ];

    for bytes in longer {
        assert_eq!(codec::decode_exactly::<OutputBegin>(bytes), Err(CodecError::NotCanonical), "{bytes:?}");
    }
}

#[test]
fn integers_wider_than_their_type_are_refused() {
    // 254 announces 128 bits, 255 is reserved; neither is used by any type of the boundary.
    assert_eq!(codec::decode_exactly::<OutputBegin>(&[254; 17]), Err(CodecError::Malformed));
    assert_eq!(codec::decode_exactly::<OutputBegin>(&[255; 9]), Err(CodecError::Malformed));
    assert_eq!(codec::decode_exactly::<FileId>(&[253, 0, 0, 0, 0, 1, 0, 0, 0]), Err(CodecError::Malformed));
}

#[test]
fn what_follows_a_value_is_refused() {
    assert_eq!(codec::decode_exactly::<OutputBegin>(&[1, 0]), Err(CodecError::TrailingBytes));
    assert_eq!(codec::decode::<OutputBegin>(&[1, 0]), Ok((OutputBegin { total_bytes: 1 }, 1)));
    assert_eq!(codec::decode_large::<Arguments>(&[0, 0]), Err(CodecError::TrailingBytes));
}

#[test]
fn every_prefix_of_a_value_is_refused() {
    let request = ReadChunk {
        file: FileId(70_000),
        offset_bytes: 1 << 40,
        length: ChunkLength::new(4096).unwrap(),
        redacted: true,
    };
    let bytes = encoded(&request);

    for length in 0..bytes.len() {
        assert_eq!(codec::decode::<ReadChunk>(&bytes[..length]), Err(CodecError::Malformed), "{length}");
    }
    assert_eq!(codec::decode_exactly::<ReadChunk>(&bytes), Ok(request));
}

// Without a limit, bincode 2.0.1 panics or asks for memory on messages like these.
#[test]
fn ten_bytes_that_announce_much_are_refused() {
    let mut message = vec![253];
    message.extend(u64::MAX.to_le_bytes());
    message.push(0);
    let mut half = vec![253];
    half.extend((u64::MAX / 2).to_le_bytes());
    half.push(0);

    for bytes in [&message, &half] {
        assert_eq!(codec::decode::<Text<16>>(bytes), Err(CodecError::Malformed));
        assert_eq!(codec::decode::<Bytes<16>>(bytes), Err(CodecError::Malformed));
        assert_eq!(codec::decode::<List<u8, 16>>(bytes), Err(CodecError::Malformed));
        assert_eq!(codec::decode::<List<Entry, MAX_PAGE_ENTRIES>>(bytes), Err(CodecError::Malformed));
        assert_eq!(codec::decode_large::<Arguments>(bytes), Err(CodecError::Malformed));
    }
}

#[test]
fn truth_values_options_and_variants_have_no_other_numbers() {
    // The last byte of ReadChunk is a bool.
    assert_eq!(codec::decode_exactly::<ReadChunk>(&[1, 0, 1, 2]), Err(CodecError::Malformed));
    assert_eq!(codec::decode_exactly::<Option<u8>>(&[2, 0]), Err(CodecError::Malformed));
    assert_eq!(codec::decode_exactly::<LogLevel>(&[5]), Err(CodecError::Malformed));
    assert_eq!(codec::decode_exactly::<FailureClass>(&[5]), Err(CodecError::Malformed));
    assert_eq!(codec::decode_exactly::<LogLevel>(&[251, 1, 0]), Err(CodecError::NotCanonical));
}

#[test]
fn integers_out_of_their_range_are_refused() {
    let at = |value: u32| encoded(&value);

    assert_eq!(codec::decode_exactly::<ChunkLength>(&at(0)), Err(CodecError::Malformed));
    assert!(codec::decode_exactly::<ChunkLength>(&at(MAX_CHUNK_BYTES as u32)).is_ok());
    assert_eq!(
        codec::decode_exactly::<ChunkLength>(&at(MAX_CHUNK_BYTES as u32 + 1)),
        Err(CodecError::Malformed)
    );
    assert!(codec::decode_exactly::<Sleep>(&at(MAX_SLEEP_MS)).is_ok());
    assert_eq!(codec::decode_exactly::<Sleep>(&at(MAX_SLEEP_MS + 1)), Err(CodecError::Malformed));
    assert!(codec::decode_exactly::<Permissions>(&encoded(&0o777_u16)).is_ok());
    assert_eq!(codec::decode_exactly::<Permissions>(&encoded(&0o1000_u16)), Err(CodecError::Malformed));
    assert_eq!(SleepMs::new(MAX_SLEEP_MS + 1), None);
    assert_eq!(RandomCount::new(u32::MAX), None);
}

// bincode counts eight bytes for every integer against its limit, however short it stands there; with a limit of the
// frame's size this page was refused by the peer although it fills two thirds of a frame.
#[test]
fn a_value_that_fits_a_frame_can_be_read_back() {
    let entry = |number: u64| Entry {
        name: Text::cut(&format!("{number:04}")),
        entry_type: EntryType::File,
        inode: number % 250,
    };
    let page = EntryPage { entries: List::new((0..4096).map(entry).collect()).unwrap(), end: true };
    let bytes = encoded(&page);

    assert!(bytes.len() < MAX_FRAME_BYTES);
    assert_eq!(codec::decode_exactly::<EntryPage>(&bytes), Ok(page));
}

#[test]
fn more_than_a_frame_is_refused() {
    assert_eq!(codec::decode::<OutputBegin>(&vec![0; MAX_FRAME_BYTES + 1]), Err(CodecError::Malformed));
}

#[test]
fn a_value_larger_than_its_space_is_not_written() {
    let failure =
        Failure { class: FailureClass::Denied, kind: ErrorKind::PermissionDenied, message: Text::cut("no") };
    let length = encoded(&failure).len();

    assert_eq!(codec::encode(&failure, &mut vec![0; length - 1]), Err(CodecError::NoRoom));
    assert_eq!(codec::encode(&failure, &mut vec![0; length]), Ok(length));
}

#[test]
fn a_metric_keeps_the_bits_of_its_value() {
    for value in [0.0, -0.0, f64::NAN, f64::INFINITY, 1.5] {
        let metric = Metric {
            name: Text::cut("m"),
            value_bits: f64::to_bits(value),
            unit: MetricUnit::Count,
            dimensions: List::default(),
        };

        assert_eq!(codec::decode_exactly::<Metric>(&encoded(&metric)), Ok(metric));
    }
}

#[test]
fn arguments_return_as_they_were() {
    let arguments = Arguments {
        values: vec![
            ("text".into(), Argument::Text("grün".into())),
            ("integer".into(), Argument::Integer(i64::MIN)),
            ("float".into(), Argument::Float(-0.5)),
            ("bool".into(), Argument::Bool(true)),
            ("list".into(), Argument::List(vec![Argument::Bool(false), Argument::List(vec![])])),
            ("map".into(), Argument::Map(vec![("k".into(), Argument::Map(vec![]))])),
        ],
    };

    let bytes = codec::encode_large(&arguments).unwrap();

    assert_eq!(codec::decode_large::<Arguments>(&bytes), Ok(arguments));
}

// A list within a list within a list ... would otherwise exhaust the stack of the decoder.
#[test]
fn arguments_nested_deeper_are_refused() {
    let mut bytes = vec![1, 1, b'a'];
    bytes.extend([4, 1].repeat(1_000_000));
    assert_eq!(codec::decode_large::<Arguments>(&bytes), Err(CodecError::Malformed));

    let inner = Argument::List(vec![Argument::List(vec![Argument::Bool(true)])]);
    let deep = Arguments { values: vec![("a".into(), inner)] };
    let bytes = codec::encode_large(&deep).unwrap();
    assert_eq!(codec::decode_large::<Arguments>(&bytes), Err(CodecError::Malformed));
}

#[test]
fn hello_does_not_decode_from_nothing() {
    assert_eq!(codec::decode_exactly::<Hello>(&[]), Err(CodecError::Malformed));
}

// Neither limit is one byte too small or too large.
#[test]
fn as_much_as_is_allowed_can_be_read_and_one_byte_more_cannot() {
    assert_eq!(codec::decode::<u8>(&vec![7; MAX_FRAME_BYTES]).unwrap(), (7, 1));
    assert_eq!(codec::decode::<u8>(&vec![7; MAX_FRAME_BYTES + 1]), Err(CodecError::Malformed));

    // A length of four bytes behind its mark, and so many zeros.
    let zeros = |bytes: usize| {
        let mut whole = vec![0; bytes];
        whole[0] = 252;
        whole[1..5].copy_from_slice(&u32::try_from(bytes - 5).unwrap().to_le_bytes());
        whole
    };
    let large = |bytes: usize| codec::decode_large::<Bytes<{ MAX_LOAD_BYTES + 1 }>>(&zeros(bytes)).map(drop);
    assert_eq!(large(MAX_LOAD_BYTES), Ok(()));
    assert_eq!(large(MAX_LOAD_BYTES + 1), Err(CodecError::Malformed));
    // Each of these stands in one byte, and is charged as eight.
    let numbers = zeros(MAX_LOAD_BYTES / 8 + 100);
    assert_eq!(codec::decode_large::<Vec<u64>>(&numbers).map(|numbers| numbers.len()), Ok(numbers.len() - 5));
}

/// Reads a byte and forgets its highest bit: two forms of one length.
#[derive(Debug, PartialEq)]
struct Masked(u8);

/// Reads two bytes and forgets the second: the form that it writes is the beginning of the one that it reads.
#[derive(Debug, PartialEq)]
struct Halved(u8);

impl serde::Serialize for Masked {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Masked {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u8::deserialize(deserializer).map(|byte| Self(byte & 0x7f))
    }
}

impl serde::Serialize for Halved {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Halved {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <(u8, u8)>::deserialize(deserializer).map(|(first, _)| Self(first))
    }
}

// No type of the wire is like that today; whoever adds one is told.
#[test]
fn a_value_that_is_written_otherwise_is_refused_also_where_the_length_is_the_same_or_the_beginning() {
    assert_eq!(codec::decode_exactly(&[0x01]), Ok(Masked(1)));
    assert_eq!(codec::decode_exactly::<Masked>(&[0x81]), Err(CodecError::NotCanonical));
    assert_eq!(codec::decode_exactly::<Halved>(&[0x01, 0x02]), Err(CodecError::NotCanonical));
}
