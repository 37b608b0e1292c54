//! Path names: every spelling of a place has one name, and every name leads back to the same bytes.

use rex_broker::policy::name::{EntryName, PathName};
use rex_ipc::name;

/// Normalization is idempotent, leaves no alias, and the text form of bytes is injective.
pub fn path_resolution(bytes: &[u8]) {
    let text = name::to_text(bytes);
    assert_eq!(name::to_bytes(&text), bytes, "bytes survive the text form");
    assert!(name::is_canonical(&text), "the text form has one spelling");

    let given = String::from_utf8_lossy(bytes);
    for spelling in [given.clone().into_owned(), format!("/{given}"), format!("/{text}")] {
        let Ok(path) = PathName::parse(&spelling) else { continue };
        let named = path.as_str();
        assert!(named.starts_with('/') && !named.contains("//") && !named.contains('\0'), "{named:?}");
        assert!(named == "/" || !named.ends_with('/'), "{named:?}");
        assert!(named.split('/').all(|part| part != "." && part != ".."), "{named:?}");
        assert_eq!(PathName::parse(named).ok().as_ref(), Some(&path), "a name is its own name");
        assert_eq!(
            PathName::from_os(&path.to_os()),
            path,
            "a name survives the way through the kernel's form"
        );
        let rebuilt = path.components().fold(PathName::root(), |path, part| path.join(&part));
        assert_eq!(rebuilt, path, "a name is made of its components");
        assert!(path.is_within(&path.parent()), "a name is within its parent");
    }
    if let Some(entry) = EntryName::parse(&text) {
        assert_eq!(entry.as_bytes(), bytes);
        assert!(!bytes.contains(&b'/') && bytes != b"." && bytes != b"..");
    }
}
