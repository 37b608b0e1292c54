//! Sets parts of an open file's SELinux label, and keeps the others.
//!
//! # Policy
//! `file_system::set_x_attr` on the file, with the attribute's name as context.

use rex_ipc::action::file_system::SetXAttr as SetXAttrAction;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{LabelText, SetXAttr};

use crate::gate::Act;
use crate::gate::error::Error;
use crate::host::file_system::attributes;
use crate::host::file_system::object::Labelled;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for SetXAttr {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let file = ahead.file(self.file)?.real;
        ahead.ask_to_label(&file, self.name.as_str());
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let file = call.host.handles.file(self.file)?;
        let attribute = self.name.as_str().to_owned();
        let parts = [&self.selinux_user, &self.selinux_role, &self.selinux_type, &self.selinux_level];
        let act = Act::Label(parts.map(|part| part.as_ref().map(|part| part.as_str())));
        let permit = call.authorize_act::<SetXAttrAction, _>(Labelled { what: file, attribute }, act)?;
        if self.name.as_str() != SELINUX {
            let message = format!(
                "Unsupported Operation error: Extended attribute for '{}' is not supported. \
                 Only '{SELINUX}' is supported.",
                self.name.as_str()
            );
            return Err(Error::invalid(ErrorKind::UnsupportedOperationError, message));
        }
        // In the order in which they stand in a label.
        let parts = [
            ("user", &self.selinux_user),
            ("role", &self.selinux_role),
            ("type", &self.selinux_type),
            ("level", &self.selinux_level),
        ];
        for (name, part) in parts {
            if let Some(part) = part {
                check(name, part.as_str())?;
            }
        }
        let system = |error: std::io::Error| Error::system_as(ErrorKind::RustixError, &error);
        let present = attributes::label(&permit).map_err(system)?;
        let label = changed(&present, parts.map(|(_, part)| part.as_ref()))?;
        attributes::set_label(&permit, &label).map_err(system)
    }
}

/// What a part may look like: nothing that would end it, or that no label has.
fn check(name: &str, part: &str) -> Result<(), Error> {
    let wrong = if part.trim().is_empty() {
        "cannot be empty or whitespace-only"
    } else if part.trim() != part {
        "cannot have leading or trailing whitespace"
    } else if part.contains(':') {
        "cannot contain ':' character as it is the context delimiter"
    } else if part.chars().any(char::is_control) {
        "cannot contain control characters"
    } else {
        return Ok(());
    };
    Err(invalid(format!("SELinux {name} {wrong}")))
}

/// The label with the parts that were given.
///
/// The last part is the rest of the label: a level with categories, such as `s0:c1,c2`, has a colon of its own.
fn changed(present: &[u8], parts: [Option<&LabelText>; 4]) -> Result<Vec<u8>, Error> {
    // libselinux stores the label with the zero byte that ends it in C.
    let (text, end) = match present.split_last() {
        Some((0, text)) => (text, &b"\0"[..]),
        _ => (present, &b""[..]),
    };
    let found: Vec<&[u8]> = text.splitn(4, |byte| *byte == b':').collect();
    let Ok(found) = <[&[u8]; 4]>::try_from(found.as_slice()) else {
        return Err(invalid(format!(
            "Invalid xattr format for '{SELINUX}': expected 4 colon-separated components, got {}",
            found.len()
        )));
    };
    let mut label = Vec::with_capacity(present.len());
    for (position, (old, new)) in found.into_iter().zip(parts).enumerate() {
        if position > 0 {
            label.push(b':');
        }
        label.extend_from_slice(new.map_or(old, |new| new.as_str().as_bytes()));
    }
    label.extend_from_slice(end);
    Ok(label)
}

fn invalid(reason: String) -> Error {
    Error::invalid(ErrorKind::InvalidArguments, format!("Invalid arguments: {reason}"))
}

/// The only attribute that can be set.
const SELINUX: &str = "security.selinux";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> LabelText {
        LabelText::new(text).unwrap()
    }

    #[test]
    fn parts_that_are_not_given_stay() {
        let (role, level) = (text("sysadm_r"), text("s1"));

        let label = changed(b"u:object_r:etc_t:s0", [None, Some(&role), None, Some(&level)]).unwrap();

        assert_eq!(label, b"u:sysadm_r:etc_t:s1");
    }

    #[test]
    fn a_level_with_categories_and_the_closing_zero_byte_stay() {
        let kind = text("tmp_t");

        let label = changed(b"u:object_r:etc_t:s0:c1,c2\0", [None, None, Some(&kind), None]).unwrap();

        assert_eq!(label, b"u:object_r:tmp_t:s0:c1,c2\0");
    }

    #[test]
    fn a_label_of_less_than_four_parts_is_refused() {
        let error = changed(b"a:b:c", [None; 4]).unwrap_err();

        assert!(format!("{error:?}").contains("expected 4 colon-separated components, got 3"));
    }
}
