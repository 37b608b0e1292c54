//! What the comments of public items leave out: the errors of what can fail, and what the item is.

/// A comment that leaves something out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line of the item, counted from 1.
    pub line: usize,
    /// What is missing.
    pub what: String,
}

/// Looks at the comments of one file, up to its tests. Gives how many functions were found that can fail, and the faults.
///
/// A function can fail when it is `pub` and gives a `Result`, or the alias that the jail has for one.
pub fn look(source: &str) -> (usize, Vec<Fault>) {
    let lines: Vec<&str> = source.lines().collect();
    let (mut fallible, mut faults) = (0, Vec::new());
    let mut comment: Vec<&str> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let line = line.trim();
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        if let Some(text) = line.strip_prefix("///") {
            comment.push(text.trim());
            continue;
        }
        if is_between(line) {
            continue;
        }
        if comment.first().is_some_and(|first| first.starts_with("The same")) {
            faults.push(Fault { line: index + 1, what: format!("begins with {:?}", comment[0]) });
        }
        if is_public_function(line) && can_fail(&signature(&lines[index..])) {
            fallible += 1;
            if !comment.contains(&"# Errors") {
                faults.push(Fault { line: index + 1, what: format!("no `# Errors` above {line}") });
            }
        }
        comment.clear();
    }
    (fallible, faults)
}

/// What may stand between a comment and its item.
fn is_between(line: &str) -> bool {
    line.starts_with("#[") || line.starts_with("//") || line.starts_with(")]")
}

fn is_public_function(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("pub ") else { return false };
    rest.split_once("fn ")
        .is_some_and(|(before, _)| before.split_whitespace().all(|word| QUALIFIERS.contains(&word)))
}

/// From `fn` to the brace or semicolon behind it.
fn signature(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim());
        text.push(' ');
        if line.trim_end().ends_with(['{', ';', '}']) {
            break;
        }
    }
    text
}

fn can_fail(signature: &str) -> bool {
    let Some(start) = parameters(signature) else { return false };
    let mut open = 0;
    for (at, letter) in signature.char_indices().skip_while(|(at, _)| *at < start) {
        open += match letter {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        if open == 0 {
            let given = signature.get(at..).unwrap_or_default();
            let words = given.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            return words.take_while(|word| *word != "where").any(|word| FALLIBLE.contains(&word));
        }
    }
    false
}

/// Where the parameters begin: at the first parenthesis outside the angle brackets of what is generic.
fn parameters(signature: &str) -> Option<usize> {
    let mut open = 0;
    let mut before = ' ';
    for (at, letter) in signature.char_indices() {
        match letter {
            '<' => open += 1,
            '>' if before != '-' => open -= 1,
            '(' if open == 0 => return Some(at),
            _ => {}
        }
        before = letter;
    }
    None
}

const QUALIFIERS: [&str; 3] = ["const", "unsafe", "async"];
const FALLIBLE: [&str; 2] = ["Result", "Fallible"];

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(source: &str) -> Vec<String> {
        look(source).1.into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn what_can_fail_without_saying_how_is_found() {
        for function in [
            "pub fn read() -> Result<(), Error> {",
            "pub const fn read() -> io::Result<u8> {",
            "pub unsafe fn read() -> Fallible<()> {",
            "    pub fn read<F: Fn() -> u8>(\n        body: F,\n    ) -> Result<(), Error>\n    where F: Copy {",
            "#[must_use]\npub fn read(\n    a: u8,\n) -> Option<Result<u8, Error>> {",
        ] {
            assert_eq!(faults(&format!("/// Reads.\n{function}\n}}\n")).len(), 1, "{function}");
            let told = format!("/// Reads.\n///\n/// # Errors\n/// When it is not there.\n{function}\n}}\n");
            assert_eq!(look(&told), (1, Vec::new()), "{function}");
        }
    }

    #[test]
    fn what_cannot_fail_or_is_not_public_or_is_a_test_is_left_alone() {
        for function in [
            "pub fn read() -> u8 {",
            "fn read() -> Result<(), Error> {",
            "pub(crate) fn read() -> Result<(), Error> {",
            "pub fn with(set: impl Fn() -> Result<(), Error>) {",
            "pub fn with(set: impl Fn() -> Result<(), Error>) -> u8 {",
            "pub fn with<E>(error: E) -> u8 where E: Into<Result<(), Error>> {",
            "#[cfg(test)]\npub fn read() -> Result<(), Error> {",
        ] {
            assert_eq!(look(&format!("/// Reads.\n{function}\n}}\n")), (0, Vec::new()), "{function}");
        }
    }

    #[test]
    fn a_comment_that_leans_on_the_one_above_is_found() {
        for item in
            ["fn one() {}", "pub(crate) one: u8,", "const ONE: u8 = 1;", "#[derive(Debug)]\nstruct One;"]
        {
            assert_eq!(faults(&format!("/// The same for one.\n{item}\n")).len(), 1, "{item}");
            assert_eq!(faults(&format!("/// One.\n///\n/// The same for two.\n{item}\n")).len(), 0, "{item}");
        }
    }
}
