//! Name and password in a URL: what they are, and what makes them none.

use super::{NotAUrl, encoded_byte};

/// Name and password as RFC 7617 has them: decoded, with a colon in between.
pub(super) fn information(text: &str) -> Result<Vec<u8>, NotAUrl> {
    let (name, password) = text.split_once(':').unwrap_or((text, ""));
    if name.is_empty() || text.contains('@') {
        return Err(NotAUrl::Refused(
            "user information is a name, or a name and a password, with `@` percent-encoded",
        ));
    }
    let (mut user, password) = (decoded(name)?, decoded(password)?);
    if user.contains(&b':') {
        return Err(NotAUrl::Refused("the name of a user has no colon"));
    }
    user.push(b':');
    user.extend(password);
    if user.iter().any(u8::is_ascii_control) {
        return Err(NotAUrl::Refused("user information has no control characters"));
    }
    Ok(user)
}

/// The bytes that a text stands for.
fn decoded(text: &str) -> Result<Vec<u8>, NotAUrl> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => encoded_byte(&mut rest)?,
            plain => plain,
        };
        bytes.push(byte);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::super::{NotAUrl, Url};

    // RFC 7617, 2: "a user-id containing a colon character is invalid", and neither has control characters.
    #[test]
    fn user_information_is_read_where_it_may_be_and_is_in_no_form() {
        for (text, user) in [
            ("http://user:word@h/a", "user:word"),
            ("http://user@h/a", "user:"),
            ("http://user:@h/a", "user:"),
            ("http://user:a:b@h/a", "user:a:b"),
            ("http://us%65r:%40%3a%2F@h/a", "user:@:/"),
        ] {
            let url = Url::parse_with_user(text).unwrap();

            assert_eq!(
                (url.to_string().as_str(), url.user.as_deref()),
                ("http://h/a", Some(user.as_bytes())),
                "{text}"
            );
            assert!(!url.at(Ipv4Addr::LOCALHOST.into()).contains('@') && url.authority() == "h", "{text}");
            assert!(
                matches!(Url::parse(text), Err(NotAUrl::Refused("user information is not sent"))),
                "{text}"
            );
        }
        for text in [
            "http://@h/",
            "http://:word@h/",
            "http://a@b@h/",
            "http://a%3ab:c@h/",
            "http://a:b%0a@h/",
            "http://a%@h/",
        ] {
            assert!(matches!(Url::parse_with_user(text), Err(NotAUrl::Refused(_))), "{text}");
        }
        assert_eq!(Url::parse_with_user("http://h/a@b").unwrap().user, None);
    }
}
