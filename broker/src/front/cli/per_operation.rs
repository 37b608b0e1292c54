//! How a limit that each operation has for itself is written.

use clap::builder::{StringValueParser, TypedValueParser};

use super::quantity::Unit;
use crate::gate::limits::PerOperation;

pub(super) fn parser(unit: Unit) -> impl TypedValueParser<Value = PerOperation> {
    StringValueParser::new().try_map(move |text| parse(&text, unit))
}

/// Reads `N`, `NAME=N`, or several of them with commas in between; what no name is given for has `N`, or else
/// no limit of its own.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse(text: &str, unit: Unit) -> Result<PerOperation, String> {
    let number = |text: &str| match unit.parse(text) {
        Ok(number @ 1..) => Ok(number),
        Err(reason) if unit != Unit::Count => Err(reason),
        _ => Err(format!("`{text}` is not a number from 1 on")),
    };
    let words = || text.split(',').map(|word| (word, word.split_once('=')));
    let mut usual = words().filter(|(_, named)| named.is_none());
    let mut limits = match usual.next() {
        Some((word, _)) => PerOperation::all(number(word)?),
        None => PerOperation::all(u64::MAX),
    };
    if let Some((word, _)) = usual.next() {
        return Err(format!("`{word}` is a second number for all operations"));
    }
    for (name, value) in words().filter_map(|(_, named)| named) {
        if !limits.set(name, number(value)?) {
            return Err(format!("there is no operation `{name}`"));
        }
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use rex_ipc::interface::ROWS;

    use super::*;

    fn of(text: &str, name: &str) -> u64 {
        let row = ROWS.iter().position(|row| row.name == name).unwrap();
        parse(text, Unit::Count).unwrap().of(row)
    }

    #[test]
    fn an_operation_has_its_own_number_or_that_of_all() {
        assert_eq!((of("7", "open_file"), of("7", "log")), (7, 7));
        assert_eq!((of("7,open_file=3", "open_file"), of("7,open_file=3", "log")), (3, 7));
        assert_eq!((of("open_file=3,log=2,9", "log"), of("open_file=3,log=2,9", "now")), (2, 9));
        assert_eq!((of("log=1", "log"), of("log=1", "now")), (1, u64::MAX));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (text, part) in [
            ("", "``"),
            ("x", "`x`"),
            ("0", "`0`"),
            ("log=0", "`0`"),
            ("log=", "``"),
            ("nothing=3", "no operation `nothing`"),
            ("1,2", "second"),
            ("1,", "second"),
            ("-1", "`-1`"),
        ] {
            let error = parse(text, Unit::Count).unwrap_err();

            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_text_can_be_read_again() {
        let limits = parse("100,read_chunk=5,log=6", Unit::Count).unwrap();

        assert_eq!(limits.to_string(), "100,log=6,read_chunk=5");
        assert_eq!(parse(&limits.to_string(), Unit::Count), Ok(limits));
    }

    #[test]
    fn bytes_may_have_units() {
        let limits = parse("1GiB,read_chunk=64M", Unit::Bytes).unwrap();

        assert_eq!(limits.to_string(), format!("{},read_chunk={}", 1_u64 << 30, 64 << 20));
        assert!(parse("1GiB", Unit::Count).is_err());
        assert!(parse("64Q", Unit::Bytes).unwrap_err().contains("such as 64M"));
    }
}
