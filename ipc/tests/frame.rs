//! Is every header that is not ours refused?

use rex_ipc::frame::{FrameError, Header, Kind, Sender};
use rex_ipc::limits::{HEADER_BYTES, MAX_BODY_BYTES, MAX_FRAME_BYTES};

/// A `Call` with this body, sequence number 258.
fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; HEADER_BYTES];
    frame.extend_from_slice(body);
    let length = Header::finish(Kind::Call, 258, body.len(), &mut frame).unwrap();
    frame.truncate(length);
    frame
}

#[test]
fn a_header_stands_as_documented() {
    assert_eq!(frame(&[9, 9, 9])[..16], [b'R', b'X', 1, 0x02, 2, 1, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_frame_returns_as_it_was() {
    for length in [0, 1, 1000, MAX_BODY_BYTES] {
        let datagram = frame(&vec![7; length]);

        let (header, body) = Header::split(&datagram).unwrap();

        assert_eq!(header, Header { kind: Kind::Call, sequence: 258, body_bytes: length as u32 });
        assert_eq!(body.len(), length);
    }
}

#[test]
fn a_frame_shorter_than_its_header_is_refused() {
    for length in 0..HEADER_BYTES {
        assert_eq!(Header::split(&frame(&[])[..length]), Err(FrameError::TooShort));
    }
}

#[test]
fn each_wrong_byte_of_the_header_is_refused() {
    let expected = |index: usize| match index {
        0 | 1 => FrameError::BadMagic,
        2 => FrameError::BadVersion,
        3 => FrameError::UnknownKind,
        8..=11 => FrameError::LengthMismatch,
        _ => FrameError::ReservedNotZero,
    };

    for index in (0..HEADER_BYTES).filter(|index| !(4..8).contains(index)) {
        for value in 0..=255 {
            let mut datagram = frame(&[1, 2, 3]);
            let original = datagram[index];
            datagram[index] = value;
            if index == 3 && Kind::from_number(value).is_some() || value == original {
                assert!(Header::split(&datagram).is_ok());
            } else {
                assert_eq!(Header::split(&datagram), Err(expected(index)), "byte {index} = {value}");
            }
        }
    }
}

#[test]
fn a_body_longer_or_shorter_than_announced_is_refused() {
    let datagram = frame(&[1, 2, 3]);
    let mut longer = datagram.clone();
    longer.push(0);

    assert_eq!(Header::split(&longer), Err(FrameError::LengthMismatch));
    assert_eq!(Header::split(&datagram[..datagram.len() - 1]), Err(FrameError::LengthMismatch));
}

#[test]
fn a_frame_larger_than_the_limit_is_refused_and_not_written() {
    let mut datagram = frame(&vec![0; MAX_BODY_BYTES]);
    datagram.push(0);
    datagram[8..12].copy_from_slice(&(MAX_BODY_BYTES as u32 + 1).to_le_bytes());

    assert_eq!(Header::split(&datagram), Err(FrameError::LengthMismatch));
    assert_eq!(Header::finish(Kind::Call, 0, MAX_BODY_BYTES + 1, &mut vec![0; MAX_FRAME_BYTES + 1]), None);
    assert_eq!(Header::finish(Kind::Call, 0, 1, &mut [0; HEADER_BYTES]), None);
    assert_eq!(Header::finish(Kind::Call, 0, usize::MAX, &mut [0; HEADER_BYTES]), None);
}

// The top bit of the number says who sends, so that no kind can be mistaken for one of the other side.
#[test]
fn kinds_have_one_number_and_the_top_bit_of_the_broker() {
    for number in 0..=255 {
        if let Some(kind) = Kind::from_number(number) {
            assert_eq!(kind.number(), number);
            assert_eq!(kind.sender() == Sender::Broker, number & 0x80 != 0);
            assert!(Kind::ALL.contains(&kind));
        }
    }
    assert_eq!((0..=255).filter_map(Kind::from_number).count(), Kind::ALL.len());
}
