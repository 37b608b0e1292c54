//! Whether a policy text is shallow enough for Cedar's recursive parser.
//!
//! Cedar parses, converts, checks and drops expressions by recursion, so a text that is deep enough overflows the stack
//! and takes the broker with it. This scan knows just enough of the language to bound that depth: strings, comments,
//! brackets and operators.

/// Where a text is too deep: the byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooDeep {
    pub(super) at: usize,
}

/// Cuts a text behind semicolons into parts of at least [`PART_BYTES`], given by where each ends but for the last, or
/// finds the first place where an expression could need more stack than the limit allows.
pub(super) fn scan(text: &str) -> Result<Vec<usize>, TooDeep> {
    let mut ends = Vec::new();
    // What each open bracket, with the operators since it or since the last comma, adds to the depth.
    let mut levels = vec![0_usize];
    let mut depth = 0_usize;
    let mut tokens = Tokens { text: text.as_bytes(), at: 0 };
    while let Some((at, token)) = tokens.next() {
        // Every semicolon ends a policy, a broken one too: Cedar has no other use for it.
        if matches!(token, Token::End) && at - ends.last().unwrap_or(&0) >= PART_BYTES {
            ends.push(at + 1);
        }
        match token {
            Token::Open => {
                levels.push(COST_BRACKET);
                depth += COST_BRACKET;
            }
            // An unmatched bracket is for the parser to report.
            Token::Close if levels.len() > 1 => depth -= levels.pop().unwrap_or(0),
            Token::Close => {}
            // Elements of a list stand side by side.
            Token::Comma => {
                if let Some(level) = levels.last_mut().filter(|level| **level > COST_BRACKET) {
                    depth -= *level - COST_BRACKET;
                    *level = COST_BRACKET;
                }
            }
            // A new policy starts from nothing.
            Token::End if levels.len() == 1 => {
                depth = 0;
                levels = vec![0];
            }
            Token::End => {}
            Token::Operator(cost) => {
                if let Some(level) = levels.last_mut() {
                    *level += cost;
                    depth += cost;
                }
            }
        }
        if depth > LIMIT_DEPTH {
            return Err(TooDeep { at });
        }
    }
    Ok(ends)
}

/// How many policies a text seems to have, so that a text of far too many is refused before it is parsed.
pub(super) fn policies(text: &str) -> usize {
    let mut tokens = Tokens { text: text.as_bytes(), at: 0 };
    std::iter::from_fn(|| tokens.next()).filter(|(_, token)| matches!(token, Token::End)).count()
}

/// Cedar keeps going after a mistake, and a text of nothing but mistakes would cost a thousand times its size in memory.
const PART_BYTES: usize = 64 << 10;

/// What a bracket, a conditional and another operator cost: roughly the proportion of the stack that Cedar's parser was
/// measured to need for them (14.5, 1.8 and 0.24 KiB; four times as much when it is not optimized).
const COST_BRACKET: usize = 22;
const COST_IF: usize = 3;
const COST_OPERATOR: usize = 1;

/// 68 brackets, 500 conditionals or 1500 operators that may be operands of one another. Parsing then needs 1 MiB of
/// stack, and evaluating at most 7, which Cedar checks by itself.
pub(super) const LIMIT_DEPTH: usize = 1500;

enum Token {
    Open,
    Close,
    Comma,
    End,
    Operator(usize),
}

struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl Tokens<'_> {
    fn next(&mut self) -> Option<(usize, Token)> {
        loop {
            let at = self.at;
            let byte = *self.text.get(at)?;
            self.at += 1;
            let token = match byte {
                b'"' => {
                    self.skip_string();
                    continue;
                }
                b'/' if self.text.get(self.at) == Some(&b'/') => {
                    self.skip_line();
                    continue;
                }
                b'(' | b'[' | b'{' => Token::Open,
                b')' | b']' | b'}' => Token::Close,
                b',' => Token::Comma,
                b';' => Token::End,
                b'.' | b'!' | b'-' | b'+' | b'*' | b'/' | b'%' => Token::Operator(COST_OPERATOR),
                b'<' | b'>' | b'=' | b'&' | b'|' => {
                    // Two-character operators count once.
                    if matches!(self.text.get(self.at), Some(b'=' | b'&' | b'|')) {
                        self.at += 1;
                    }
                    Token::Operator(COST_OPERATOR)
                }
                byte if byte == b'_' || byte.is_ascii_alphabetic() => match self.word_cost(at) {
                    0 => continue,
                    cost => Token::Operator(cost),
                },
                _ => continue,
            };
            return Some((at, token));
        }
    }

    fn skip_string(&mut self) {
        while let Some(byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => return,
                b'\\' => self.at += 1,
                _ => {}
            }
        }
    }

    fn skip_line(&mut self) {
        while let Some(byte) = self.text.get(self.at) {
            self.at += 1;
            if matches!(byte, b'\n' | b'\r') {
                return;
            }
        }
    }

    fn word_cost(&mut self, start: usize) -> usize {
        while self.text.get(self.at).is_some_and(|byte| *byte == b'_' || byte.is_ascii_alphanumeric()) {
            self.at += 1;
        }
        match self.text.get(start..self.at).unwrap_or_default() {
            b"if" => COST_IF,
            b"in" | b"has" | b"like" | b"is" | b"when" | b"unless" => COST_OPERATOR,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(count: usize) -> String {
        format!(
            "permit(principal,action,resource) when {{ {}true{} }};",
            "(".repeat(count),
            ")".repeat(count)
        )
    }

    #[test]
    fn brackets_are_counted_and_the_place_is_told() {
        let most = LIMIT_DEPTH / COST_BRACKET - 1;

        assert_eq!(scan(&nested(most)), Ok(Vec::new()));
        let deep = scan(&nested(20_000)).unwrap_err();
        assert_eq!(deep.at, "permit(principal,action,resource) when { ".len() + most);
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let text = format!(
            "permit(principal,action,resource) when {{ \"\\\"{0}\" == \"{0}\" }}; // {0}\n",
            "(".repeat(5_000)
        );

        assert!(scan(&text).is_ok());
    }

    #[test]
    fn chains_count_and_lists_do_not() {
        let chain =
            format!("permit(principal,action,resource) when {{ {}true }};", "true && ".repeat(LIMIT_DEPTH));
        let list = format!(
            "permit(principal,action,resource) when {{ [{}1].contains(2) }};",
            "1 + 1, ".repeat(100_000)
        );

        assert!(scan(&chain).is_err());
        assert!(scan(&list).is_ok());
    }

    #[test]
    fn each_policy_starts_from_nothing() {
        let text = "permit(principal,action,resource) when { 1 + 1 == 2 };\n".repeat(10_000);

        assert!(scan(&text).is_ok());
    }

    #[test]
    fn long_texts_are_cut_behind_semicolons() {
        let policy = "permit(principal,action,resource) when { \";\" like \";*\" }; // ;\n";
        let text = policy.repeat(5_000);

        let ends = scan(&text).unwrap();

        assert_eq!(ends.len(), text.len() / PART_BYTES);
        assert!(ends.iter().all(|end| text[*end..].starts_with(" // ;")));
    }

    #[test]
    fn torn_texts_end() {
        for text in ["\"", "\"\\", "/", "//", "((", "))", "}];", "\u{10ffff}\"\u{10ff01}"] {
            assert_eq!(scan(text), Ok(Vec::new()), "{text:?}");
        }
    }
}
