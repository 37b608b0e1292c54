//! Do texts, byte strings and lists refuse what is larger than their type?

use rex_ipc::bounded::{Bytes, List, Text};
use rex_ipc::codec::{self, CodecError};
use rex_ipc::file_system::Instant;

#[test]
fn a_text_holds_what_fits_and_no_more() {
    assert_eq!(Text::<4>::new("four").map(Text::into_string), Some("four".into()));
    assert_eq!(Text::<4>::new("fifth"), None);
    assert_eq!(codec::decode_exactly::<Text<4>>(b"\x04four").unwrap().as_str(), "four");
    assert_eq!(codec::decode_exactly::<Text<4>>(b"\x05fifth"), Err(CodecError::Malformed));
}

#[test]
fn a_text_is_cut_at_a_character() {
    assert_eq!(Text::<4>::cut("grün").as_str(), "grü");
    assert_eq!(Text::<3>::cut("grün").as_str(), "gr");
    assert_eq!(Text::<0>::cut("grün").as_str(), "");
    assert_eq!(Text::<99>::cut("grün").as_str(), "grün");
}

#[test]
fn a_text_that_is_not_utf8_is_refused() {
    for bytes in [&b"\x01\xff"[..], b"\x02\xc3(", b"\x03\xed\xa0\x80", b"\x02\xc0\x80"] {
        assert_eq!(codec::decode_exactly::<Text<16>>(bytes), Err(CodecError::Malformed), "{bytes:?}");
    }
}

#[test]
fn bytes_hold_what_fits_and_no_more() {
    assert_eq!(Bytes::<2>::new(vec![1, 2]).map(Bytes::into_vec), Some(vec![1, 2]));
    assert_eq!(Bytes::<2>::new(vec![1, 2, 3]), None);
    assert_eq!(codec::decode_exactly::<Bytes<2>>(&[2, 0xff, 0]).unwrap().as_slice(), [0xff, 0]);
    assert_eq!(codec::decode_exactly::<Bytes<2>>(&[3, 0, 0, 0]), Err(CodecError::Malformed));
}

#[test]
fn bytes_travel_as_one_run() {
    let mut space = [0; 8];

    let length = codec::encode(&Bytes::<8>::new(vec![251, 252, 253]).unwrap(), &mut space).unwrap();

    assert_eq!(space[..length], [3, 251, 252, 253]);
}

#[test]
fn a_list_holds_what_fits_and_no_more() {
    assert_eq!(List::<u8, 2>::new(vec![1, 2]).map(List::into_vec), Some(vec![1, 2]));
    assert_eq!(List::<u8, 2>::new(vec![1, 2, 3]), None);
    assert_eq!(codec::decode_exactly::<List<u8, 2>>(&[2, 7, 8]).unwrap().as_slice(), [7, 8]);
    assert_eq!(codec::decode_exactly::<List<u8, 2>>(&[3, 7, 8, 9]), Err(CodecError::Malformed));
}

// Values without bytes of their own are the case in which a count could be free for the sender.
#[test]
fn a_list_of_empty_values_is_bounded_too() {
    assert_eq!(codec::decode_exactly::<List<(), 2>>(&[2]).unwrap().as_slice().len(), 2);
    assert_eq!(codec::decode_exactly::<List<(), 2>>(&[3]), Err(CodecError::Malformed));
    assert_eq!(codec::decode_exactly::<List<(), 0>>(&[251, 0xff, 0xff]), Err(CodecError::Malformed));
}

#[test]
fn a_count_larger_than_the_rest_is_refused() {
    assert_eq!(codec::decode_exactly::<List<u64, 4096>>(&[200, 1, 2]), Err(CodecError::Malformed));
    assert_eq!(codec::decode_exactly::<Text<4096>>(&[200, b'a']), Err(CodecError::Malformed));
    assert_eq!(codec::decode_exactly::<Bytes<4096>>(&[251, 0, 16, 1]), Err(CodecError::Malformed));
}

// utimensat(2): UTIME_NOW and UTIME_OMIT are such numbers, and mean something else than a time.
#[test]
fn nanoseconds_of_a_second_and_more_do_not_decode() {
    let encoded = |nanoseconds| {
        let mut space = [0; 32];
        let length = codec::encode(&Instant { seconds: -1, nanoseconds }, &mut space).unwrap();
        space[..length].to_vec()
    };

    for nanoseconds in [0, 1, 250, 251, 65_536, 999_999_999] {
        let decoded: Instant = codec::decode_exactly(&encoded(nanoseconds)).unwrap();
        assert_eq!(decoded, Instant { seconds: -1, nanoseconds });
    }
    for nanoseconds in [1_000_000_000, 1_000_000_001, 0x3fff_fffe, 0x3fff_ffff, i32::MAX as u32, u32::MAX] {
        let decoded = codec::decode_exactly::<Instant>(&encoded(nanoseconds));
        assert_eq!(decoded, Err(CodecError::Malformed), "{nanoseconds}");
    }
}
