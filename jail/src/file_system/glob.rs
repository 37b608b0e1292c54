//! Shell patterns for names: `*`, `?`, `[abc]`, `[!a-z]`, and `**` as a whole component.
//!
//! Names have no slashes, so a pattern with one matches nothing but through a `**/` in front.

/// A pattern that was understood.
#[derive(Clone, Debug)]
pub struct Glob {
    tokens: Vec<Token>,
    ignore_case: bool,
}

#[derive(Clone, Debug)]
enum Token {
    Character(char),
    AnyCharacter,
    AnySequence,
    AnyComponents,
    OneOf { specifiers: Vec<Specifier>, negated: bool },
}

#[derive(Clone, Copy, Debug)]
enum Specifier {
    Single(char),
    Range(char, char),
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(pattern: &str, ignore_case: bool) -> Result<Self, String> {
        let characters: Vec<char> = pattern.chars().collect();
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(&character) = characters.get(at) {
            let (token, next) = match character {
                '?' => (Token::AnyCharacter, at + 1),
                '*' => stars(&characters, at)?,
                '[' => class(&characters, at)?,
                other => (Token::Character(other), at + 1),
            };
            let repeated =
                matches!((&token, tokens.last()), (Token::AnyComponents, Some(Token::AnyComponents)));
            if !repeated {
                tokens.push(token);
            }
            at = next;
        }
        Ok(Self { tokens, ignore_case })
    }

    /// Whether a name matches as a whole.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        match self.tokens.split_first() {
            Some((Token::AnyComponents, [])) => true,
            // Without slashes there are no components to skip: none, or the whole name.
            Some((Token::AnyComponents, rest)) => {
                self.matches_tokens(rest, &name) || self.matches_tokens(rest, &[])
            }
            _ => self.matches_tokens(&self.tokens, &name),
        }
    }

    /// Goes through both from the left; after a mismatch, the last star takes one character more. That is enough,
    /// because what stood before the last star matched already, and it keeps the time to the product of the lengths.
    fn matches_tokens(&self, tokens: &[Token], name: &[char]) -> bool {
        let (mut token, mut character) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while let Some(&present) = name.get(character) {
            match tokens.get(token) {
                Some(Token::AnySequence) => {
                    star = Some((token + 1, character));
                    token += 1;
                }
                Some(wanted) if self.matches_one(wanted, present) => {
                    token += 1;
                    character += 1;
                }
                _ => {
                    let Some((after_star, taken)) = star else { return false };
                    star = Some((after_star, taken + 1));
                    token = after_star;
                    character = taken + 1;
                }
            }
        }
        tokens.get(token..).unwrap_or_default().iter().all(|token| matches!(token, Token::AnySequence))
    }

    fn matches_one(&self, token: &Token, character: char) -> bool {
        match token {
            Token::AnyCharacter => true,
            Token::Character(wanted) => self.equal(*wanted, character),
            Token::OneOf { specifiers, negated } => {
                specifiers.iter().any(|specifier| self.in_specifier(*specifier, character)) != *negated
            }
            Token::AnySequence | Token::AnyComponents => false,
        }
    }

    fn in_specifier(&self, specifier: Specifier, character: char) -> bool {
        match specifier {
            Specifier::Single(wanted) => self.equal(wanted, character),
            Specifier::Range(from, to) => {
                let letters = from.is_ascii_alphabetic() && to.is_ascii_alphabetic();
                let folded = |c: char| c.to_ascii_lowercase();
                (from..=to).contains(&character)
                    || self.ignore_case
                        && letters
                        && character.is_ascii()
                        && (folded(from)..=folded(to)).contains(&folded(character))
            }
        }
    }

    fn equal(&self, wanted: char, present: char) -> bool {
        wanted == present || self.ignore_case && wanted.eq_ignore_ascii_case(&present)
    }
}

fn stars(characters: &[char], at: usize) -> Result<(Token, usize), String> {
    let count = characters.iter().skip(at).take_while(|&&character| character == '*').count();
    let next = at + count;
    match count {
        1 => return Ok((Token::AnySequence, next)),
        2 => {}
        _ => return Err(wrong(at + 2, "wildcards are either regular `*` or recursive `**`")),
    }
    let before = at.checked_sub(1).and_then(|before| characters.get(before));
    match (before, characters.get(next)) {
        (None | Some('/'), Some('/')) => Ok((Token::AnyComponents, next + 1)),
        (None | Some('/'), None) => Ok((Token::AnyComponents, next)),
        (None | Some('/'), Some(_)) => Err(wrong(next, NOT_A_COMPONENT)),
        (Some(_), _) => Err(wrong(at.saturating_sub(1), NOT_A_COMPONENT)),
    }
}

const NOT_A_COMPONENT: &str = "recursive wildcards must form a single path component";

fn class(characters: &[char], at: usize) -> Result<(Token, usize), String> {
    let negated = characters.get(at + 1) == Some(&'!');
    // The first character belongs to the class even when it is a closing bracket.
    let first = if negated { at + 2 } else { at + 1 };
    let length = characters.iter().skip(first + 1).position(|&character| character == ']');
    let (Some(length), true) = (length, first < characters.len()) else {
        return Err(wrong(at, "invalid range pattern"));
    };
    let end = first + 1 + length;
    let inner = characters.get(first..end).unwrap_or_default();
    Ok((Token::OneOf { specifiers: specifiers(inner), negated }, end + 1))
}

fn specifiers(inner: &[char]) -> Vec<Specifier> {
    let mut specifiers = Vec::new();
    let mut rest = inner;
    loop {
        rest = match rest {
            [from, '-', to, after @ ..] => {
                specifiers.push(Specifier::Range(*from, *to));
                after
            }
            [single, after @ ..] => {
                specifiers.push(Specifier::Single(*single));
                after
            }
            [] => return specifiers,
        };
    }
}

fn wrong(position: usize, reason: &str) -> String {
    format!("Pattern syntax error near position {position}: {reason}")
}

#[cfg(test)]
mod tests {
    use super::Glob;

    fn matches(pattern: &str, name: &str) -> bool {
        Glob::parse(pattern, false).unwrap().matches(name)
    }

    #[test]
    fn wildcards_match_what_the_shell_says() {
        for (pattern, name, expected) in [
            ("*.log", "a.log", true),
            ("*.log", ".log", true),
            ("*.log", ".hidden.log", true),
            ("*.log", "a.LOG", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[abc]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[!a-c]x", "dx", true),
            ("[]]", "]", true),
            ("[a-]", "-", true),
            ("x[0-9]y", "x1y", true),
            ("x[0-9]y", "x22y", false),
            ("**", "anything", true),
            ("**/a", "a", true),
            ("**/a", "ba", false),
            ("a/b", "a", false),
            ("", "", true),
            ("", "a", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("ü?", "üb", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn letter_case_is_ignored_when_wanted() {
        for (pattern, name) in [("*.LOG", "a.log"), ("[A-C]", "b"), ("abc", "AbC")] {
            assert!(Glob::parse(pattern, true).unwrap().matches(name), "{pattern} on {name}");
        }
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused_with_their_place() {
        for (pattern, reason) in [
            (
                "a***",
                "Pattern syntax error near position 3: wildcards are either regular `*` or recursive `**`",
            ),
            (
                "a**",
                "Pattern syntax error near position 0: recursive wildcards must form a single path component",
            ),
            (
                "**a",
                "Pattern syntax error near position 2: recursive wildcards must form a single path component",
            ),
            ("a[b", "Pattern syntax error near position 1: invalid range pattern"),
            ("[", "Pattern syntax error near position 0: invalid range pattern"),
            ("[]", "Pattern syntax error near position 0: invalid range pattern"),
        ] {
            assert_eq!(Glob::parse(pattern, false).unwrap_err(), reason, "{pattern}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "*a".repeat(200);
        let name = "a".repeat(190);

        assert!(!matches(&pattern, &name));
    }
}
