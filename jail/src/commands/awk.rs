//! Fields and lines of a file, in the manner of small awk programs.

use rex_ipc::failure::ErrorKind;
use rhai::{Array, Dynamic, FLOAT, INT, Map, NativeCallContext};

use crate::error::{Fallible, TooLarge, io_error, too_large};
use crate::session::Session;
use crate::text::{ByteStream, LineStream, Redaction, TextArray, map_limit};

/// The parts of a text between the delimiters.
///
/// # Errors
/// The limits on values.
pub fn split(context: NativeCallContext, text: &str, delimiter: &str) -> Fallible<Array> {
    let mut parts = TextArray::new(&Session::of(&context));
    text.split(delimiter).try_for_each(|part| parts.push(part))?;
    Ok(parts.into_array())
}

/// One field of each line; lines without it are passed over.
///
/// # Errors
/// `InvalidArguments` for a field less than 1; the broker's failures; `IoError` for what is no text.
pub fn field(context: NativeCallContext, number: INT, delimiter: &str, path: &str) -> Fallible<Array> {
    let index = field_index(number)?;
    let mut fields = TextArray::new(&Session::of(&context));
    for_each_line(&context, path, |line| match line.split(delimiter).nth(index) {
        Some(field) => fields.push(field),
        None => Ok(()),
    })?;
    Ok(fields.into_array())
}

/// The lines that contain a text.
///
/// # Errors
/// The broker's failures; `IoError` for what is no text.
pub fn filter(context: NativeCallContext, text: &str, path: &str) -> Fallible<Array> {
    let mut lines = TextArray::new(&Session::of(&context));
    for_each_line(&context, path, |line| if line.contains(text) { lines.push(line) } else { Ok(()) })?;
    Ok(lines.into_array())
}

/// The lines of which one field contains a text.
///
/// # Errors
/// As [`field`].
pub fn filter_field(
    context: NativeCallContext,
    number: INT,
    delimiter: &str,
    text: &str,
    path: &str,
) -> Fallible<Array> {
    let index = field_index(number)?;
    let mut lines = TextArray::new(&Session::of(&context));
    for_each_line(&context, path, |line| {
        let found = line.split(delimiter).nth(index).is_some_and(|field| field.contains(text));
        if found { lines.push(line) } else { Ok(()) }
    })?;
    Ok(lines.into_array())
}

/// The sum of one field over all lines; what is no number counts nothing.
///
/// # Errors
/// As [`field`].
pub fn sum(context: NativeCallContext, number: INT, delimiter: &str, path: &str) -> Fallible<FLOAT> {
    let index = field_index(number)?;
    let mut sum = 0.0;
    for_each_line(&context, path, |line| {
        let field = line.split(delimiter).nth(index).and_then(|field| field.trim().parse::<FLOAT>().ok());
        sum += field.unwrap_or(0.0);
        Ok(())
    })?;
    Ok(sum)
}

/// How often each value of a field occurs.
///
/// # Errors
/// As [`field`]; the limit on maps.
pub fn count_unique(context: NativeCallContext, number: INT, delimiter: &str, path: &str) -> Fallible<Map> {
    let index = field_index(number)?;
    let most = map_limit(&Session::of(&context));
    let mut counts = Map::new();
    for_each_line(&context, path, |line| {
        let Some(field) = line.split(delimiter).nth(index) else { return Ok(()) };
        if !counts.contains_key(field) && counts.len() >= most {
            return Err(too_large(TooLarge::Map));
        }
        let count = counts.entry(field.into()).or_insert(Dynamic::from_int(0));
        *count = Dynamic::from_int(count.as_int().unwrap_or(0).saturating_add(1));
        Ok(())
    })?;
    Ok(counts)
}

/// The lines from one number to another, both included.
///
/// # Errors
/// `InvalidArguments` for a range that has no lines; the broker's failures; `IoError` for what is no text.
pub fn filter_range(context: NativeCallContext, start: INT, end: INT, path: &str) -> Fallible<Array> {
    if start < 1 || end < start {
        return Err(invalid(format!("awk: invalid range {start}..{end}")));
    }
    let mut lines = TextArray::new(&Session::of(&context));
    let mut number: INT = 0;
    for_each_line(&context, path, |line| {
        number = number.saturating_add(1);
        if (start..=end).contains(&number) { lines.push(line) } else { Ok(()) }
    })?;
    Ok(lines.into_array())
}

fn for_each_line(
    context: &NativeCallContext,
    path: &str,
    mut take: impl FnMut(&str) -> Fallible<()>,
) -> Fallible<()> {
    let mut lines: LineStream = ByteStream::open(context, path, Redaction::Accepted)?.into_lines();
    while let Some(line) = lines.next_text()? {
        take(&line)?;
    }
    Ok(())
}

fn field_index(number: INT) -> Fallible<usize> {
    number
        .checked_sub(1)
        .and_then(|index| usize::try_from(index).ok())
        .ok_or_else(|| invalid("awk: field number must be >= 1".into()))
}

fn invalid(reason: String) -> Box<rhai::EvalAltResult> {
    io_error(ErrorKind::InvalidArguments, format!("Invalid arguments: {reason}"))
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn gives(script: &str, expected: &str) {
        let bench =
            Bench::new().file("/c", "id,name,qty\n1,apple,3\n2,pear,4.5\n3,apple,x\n4,fig\n").chunks_of(7);
        assert_eq!(bench.output(script), expected, "{script}");
    }

    #[test]
    fn fields_are_counted_from_one_and_short_lines_passed_over() {
        gives(
            r#"[awk_field(2, ",", "/c"), awk_field(3, ",", "/c"), awk_field(9, ",", "/c")]"#,
            r#"[["name", "apple", "pear", "apple", "fig"], ["qty", "3", "4.5", "x"], []]"#,
        );
        gives(r#"[awk_split("a,,b", ","), awk_split("ab", "")]"#, r#"[["a", "", "b"], ["", "a", "b", ""]]"#);
    }

    #[test]
    fn filters_look_for_literal_text() {
        gives(
            r#"[awk_filter("apple", "/c"), awk_filter("a.p", "/c"), awk_filter_field(1, ",", "3", "/c"), awk_filter_field(2, ",", "p", "/c").len()]"#,
            r#"[["1,apple,3", "3,apple,x"], [], ["3,apple,x"], 3]"#,
        );
    }

    #[test]
    fn sums_and_counts() {
        gives(
            r#"[awk_sum(3, ",", "/c"), awk_sum(9, ",", "/c"), awk_count_unique(2, ",", "/c")]"#,
            r##"[7.5, 0.0, #{"apple": 2, "fig": 1, "name": 1, "pear": 1}]"##,
        );
    }

    #[test]
    fn ranges_include_both_ends() {
        gives(r#"awk_filter_range(2, 3, "/c")"#, r#"["1,apple,3", "2,pear,4.5"]"#);
        gives(r#"awk_filter_range(5, 99, "/c")"#, r#"["4,fig"]"#);
    }

    #[test]
    fn numbers_that_mean_nothing_are_refused_before_anything_is_asked() {
        let bench = Bench::new();

        for (script, reason) in [
            (r#"awk_field(0, ",", "/c")"#, "awk: field number must be >= 1"),
            (r#"awk_sum(-1, ",", "/c")"#, "awk: field number must be >= 1"),
            (r#"awk_filter_range(0, 2, "/c")"#, "awk: invalid range 0..2"),
            (r#"awk_filter_range(3, 2, "/c")"#, "awk: invalid range 3..2"),
        ] {
            assert_eq!(
                bench.failure(script),
                format!("IoErrorKind: InvalidArguments: Invalid arguments: {reason} (line 1, position 1)")
            );
        }
        assert!(bench.asked().is_empty());
    }
}
