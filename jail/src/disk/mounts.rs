//! What is mounted where, read from the table of mounts.

use crate::sysinfo::tables::without_escapes;

/// A line of the table. See proc_mounts(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted, as the table spells it.
    pub device: String,
    /// Where.
    pub mounted_on: String,
    /// Of which type.
    pub kind: String,
    /// With which options.
    pub options: String,
}

/// The mounts of a table, in its order.
pub fn parse(table: &str) -> impl Iterator<Item = Mount> {
    lines(table).map(|[device, place, kind, options]| Mount {
        device: device.to_owned(),
        mounted_on: without_escapes(place),
        kind: without_escapes(kind),
        options: options.to_owned(),
    })
}

/// The lines of a table, with device, place, type and options as they are spelled. A line that has no place and type is none.
pub fn lines(table: &str) -> impl Iterator<Item = [&str; 4]> {
    table.lines().filter_map(|line| {
        let mut fields = line.split([' ', '\t']).filter(|field| !field.is_empty());
        let (device, place, kind) = (fields.next()?, fields.next()?, fields.next()?);
        Some([device, place, kind, fields.next().unwrap_or_default()])
    })
}

impl Mount {
    /// Its options in their order; of several with one key the last.
    pub fn options(&self) -> Vec<String> {
        let mut options: Vec<(&str, &str)> = Vec::new();
        for option in self.options.split(',').filter(|option| !option.is_empty()) {
            let key = option.split('=').next().unwrap_or(option);
            match options.iter_mut().find(|(known, _)| *known == key) {
                Some(known) => known.1 = option,
                None => options.push((key, option)),
            }
        }
        options.into_iter().map(|(_, option)| without_escapes(option)).collect()
    }
}

/// Whether a path is another one or lies below it.
pub fn is_within(path: &str, above: &str) -> bool {
    let above = above.trim_end_matches('/');
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(device: &str, mounted_on: &str, kind: &str, options: &str) -> Mount {
        Mount {
            device: device.into(),
            mounted_on: mounted_on.into(),
            kind: kind.into(),
            options: options.into(),
        }
    }

    #[test]
    fn lines_become_mounts_and_anything_else_nothing() {
        let table = "/dev/sda1 / ext4 rw,relatime 0 0\n\nonly two\n/dev/my\\040disk /a\\040b\\012c\\134 vfat rw 0 0 later\n\
                     tmpfs /tmp tmpfs\n";

        assert_eq!(
            parse(table).collect::<Vec<_>>(),
            [
                mount("/dev/sda1", "/", "ext4", "rw,relatime"),
                mount("/dev/my\\040disk", "/a b\nc\\", "vfat", "rw"),
                mount("tmpfs", "/tmp", "tmpfs", ""),
            ]
        );
        assert_eq!(parse("").count(), 0);
        assert_eq!(parse("   \n \t \n").count(), 0);
    }

    #[test]
    fn of_options_with_one_key_the_last_counts() {
        let options = |options: &str| mount("d", "/", "t", options).options();

        assert_eq!(options("rw,size=1k,noexec,size=2k"), ["rw", "size=2k", "noexec"]);
        assert_eq!(options("lowerdir=/a\\040b:/c=d,,x="), ["lowerdir=/a b:/c=d", "x="]);
        assert_eq!(options(""), [""; 0]);
    }

    #[test]
    fn a_path_is_within_itself_and_what_it_lies_in() {
        for (path, above, expected) in [
            ("/sys", "/sys", true),
            ("/sys/fs", "/sys", true),
            ("/system", "/sys", false),
            ("/srv", "/", true),
            ("/", "/", true),
            ("/srv/a", "/srv/", true),
            ("/", "/srv", false),
        ] {
            assert_eq!(is_within(path, above), expected, "{path} {above}");
        }
    }
}
