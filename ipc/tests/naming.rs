//! What is the name of an entry, and what becomes of a text that is none.

use rex_ipc::codec;
use rex_ipc::file_system::{NameText, PathText, Spelled};

fn text(text: &str) -> PathText {
    PathText::new(text).unwrap()
}

const NAMES: &[&str] = &["a", "...", ".a", "a b", "gr\u{fc}n", "\u{10FFFF}", "\u{10FF65}"];
/// U+10FF2F stands for a slash, U+10FF2E for a dot, U+10FF00 for a zero byte.
const NO_NAMES: &[&str] = &[
    "",
    ".",
    "..",
    "/",
    "a/",
    "/a",
    "a/b",
    "a\0",
    "a\u{10FF2F}b",
    "\u{10FF2E}",
    ".\u{10FF2E}",
    "\u{10FF00}",
];

#[test]
fn a_name_is_one_component_in_bytes() {
    for name in NAMES {
        assert_eq!(NameText::try_from(text(name)).unwrap().as_str(), *name);
        assert!(matches!(Spelled::from(text(name)), Spelled::Entry(_)), "{name:?}");
    }
    for wrong in NO_NAMES {
        assert!(NameText::try_from(text(wrong)).is_err(), "{wrong:?}");
        assert!(matches!(Spelled::from(text(wrong)), Spelled::Refused(_)), "{wrong:?}");
    }
}

#[test]
fn what_is_no_name_does_not_decode_as_one() {
    let mut space = [0; 64];
    for name in NAMES {
        let length = codec::encode(&text(name), &mut space).unwrap();
        let read = codec::decode_exactly::<NameText>(&space[..length]).unwrap();
        assert_eq!(read.as_str(), *name);
    }
    for wrong in NO_NAMES {
        let length = codec::encode(&text(wrong), &mut space).unwrap();
        assert!(codec::decode_exactly::<NameText>(&space[..length]).is_err(), "{wrong:?}");
    }
}

#[test]
fn what_was_spelled_crosses_as_its_text() {
    let (mut space, mut again) = ([0; 64], [0; 64]);
    for given in NAMES.iter().chain(NO_NAMES) {
        let spelled = Spelled::from(text(given));
        let length = codec::encode(&spelled, &mut space).unwrap();

        assert_eq!(codec::decode_exactly::<Spelled>(&space[..length]).unwrap(), spelled);
        assert_eq!(codec::encode(&text(given), &mut again).unwrap(), length);
        assert_eq!(again, space);
    }
}
