//! What a misspelt name was probably meant to be.

/// The nearest candidate, if it is near enough to be a slip of the pen.
pub fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (written.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            (strsim::damerau_levenshtein(&written.to_lowercase(), &candidate.to_lowercase()), candidate)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The hint that offers it.
pub(super) fn did_you_mean(candidate: &str) -> String {
    format!("did you mean `{candidate}`?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        assert_eq!(nearest("pth", ["path", "name"]), Some("path"));
        assert_eq!(
            nearest("filesystem::Dir", ["file_system::Dir", "file_system::File"]),
            Some("file_system::Dir")
        );
        assert_eq!(nearest("network::URL", ["network::url"]), Some("network::url"));
        assert_eq!(nearest("colour", ["path", "name"]), None);
        assert_eq!(nearest("", ["path"]), None);
    }
}
