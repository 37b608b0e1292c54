//! Which delegations do not hold any more, whatever they say: a file of root's, a line for each.

use rex_delegation::Delegation;

/// What is revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Revoked(Vec<(Kind, String)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One delegation.
    Token,
    /// All of one person.
    Subject,
    /// All in which one agent acts, wherever in the chain.
    Agent,
}

impl Revoked {
    /// Reads lines such as `jti 01JD`, `sub alice@corp.example` and `agent spiffe://corp.example/agent/billing`.
    ///
    /// # Errors
    /// The number of the first line that is none: what was meant by it would not be revoked.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut revoked = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = match line.split_once(char::is_whitespace) {
                Some(("jti", name)) => (Kind::Token, name),
                Some(("sub", name)) => (Kind::Subject, name),
                Some(("agent", name)) => (Kind::Agent, name),
                _ => {
                    return Err(format!(
                        "line {}: is none of `jti ID`, `sub NAME` and `agent NAME`",
                        number + 1
                    ));
                }
            };
            revoked.push((entry.0, entry.1.trim().to_owned()));
        }
        Ok(Self(revoked))
    }

    /// Refuses what is revoked.
    pub(super) fn check(&self, delegation: &Delegation) -> Result<(), String> {
        for (kind, name) in &self.0 {
            let (is_meant, what) = match kind {
                Kind::Token => (delegation.id == *name, "it"),
                Kind::Subject => (delegation.subject == *name, "whatever is delegated by its person"),
                Kind::Agent => (
                    delegation.actors.iter().any(|actor| actor.subject == *name),
                    "whatever is delegated to its agent",
                ),
            };
            if is_meant {
                return Err(format!("{what} is revoked"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delegation() -> Delegation {
        let payload = br#"{"iss":"i","aud":"a","sub":"alice b","act":{"sub":"x","act":{"sub":"y"}},"iat":1,"exp":2,"jti":"01"}"#;
        Delegation::read(payload).unwrap()
    }

    #[test]
    fn what_is_named_is_revoked_and_nothing_else() {
        for (text, is_revoked) in [
            ("", false),
            ("# jti 01\n\n", false),
            ("jti 01\n", true),
            ("jti 02\njti\t01", true),
            ("jti 0\njti 011\njti 01 \n", true),
            ("sub alice b", true),
            ("sub alice", false),
            ("agent x", true),
            ("agent y", true),
            ("agent z\nsub x\njti alice b", false),
        ] {
            assert_eq!(Revoked::parse(text).unwrap().check(&delegation()).is_err(), is_revoked, "{text:?}");
        }
    }

    #[test]
    fn a_line_that_is_not_understood_is_told() {
        for text in ["jti 01\nuser alice", "\njti", "jti01", "jti 01\n\0"] {
            assert!(Revoked::parse(text).unwrap_err().starts_with("line 2") || text == "jti01", "{text:?}");
        }
        assert!(Revoked::parse("jti01").is_err());
    }
}
