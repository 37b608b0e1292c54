//! Taking away what is mounted at a place.

use rex_ipc::failure::FailureClass;
use rex_ipc::sysinfo::Unmount;
use rhai::{ImmutableString, NativeCallContext};

use crate::error::family::{Disks, Kind, OTHER};
use crate::error::{Fallible, text_error};
use crate::file_system::options::Builder;
use crate::session::Session;
use crate::value;

/// What is to be unmounted.
#[derive(Clone, Debug, Default)]
pub struct UnmountOptions {
    /// Where it is mounted, which must be set.
    pub path: Option<ImmutableString>,
}

impl Builder<UnmountOptions> {
    /// The finished options.
    ///
    /// # Errors
    /// A text, when no path was set.
    pub fn build(&mut self) -> Fallible<UnmountOptions> {
        match self.0.path {
            Some(_) => Ok(self.0.clone()),
            None => Err(text_error("`path` must be initialized")),
        }
    }
}

/// Takes away what is mounted at the path.
///
/// # Errors
/// `PermissionDenied`; `Other` for what is no path, and for the system's failures.
pub fn unmount(context: &NativeCallContext, options: &UnmountOptions) -> Fallible<()> {
    let session = Session::of(context);
    let given = options.path.as_deref().unwrap_or_default();
    let path = value::path(given).map_err(|error| Kind::<Disks>::of_file(error, session.is_rex_compat()))?;
    session.ask(value::line(context), Unmount { path }).map_err(|failed| match failed.failure.class {
        FailureClass::System { .. } => {
            let message = format!("Failed to unmount {given}: {}", failed.failure.message);
            Kind::<Disks>::error_from(OTHER, message, failed.number)
        }
        _ => Kind::<Disks>::of(failed, OTHER),
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn told(bench: Bench, path: &str) -> String {
        bench.failure(&format!("unmount(UnmountOptions().path(\"{path}\").build())"))
    }

    #[test]
    fn what_is_mounted_is_taken_away_once() {
        let twice = r#"let o = UnmountOptions().path("/mnt/a").build(); unmount(o); unmount(o)"#;

        let message = Bench::new().dir("/mnt/a").failure(twice);

        assert!(
            message.starts_with(
                "DiskinfoErrorKind: Other: Failed to unmount /mnt/a: Invalid argument (os error 22)"
            ),
            "{message}"
        );
    }

    #[test]
    fn a_denial_is_one_and_what_is_no_path_is_told() {
        let denied = told(Bench::new().dir("/mnt/a").denying("unmount", "/mnt/a"), "/mnt/a/");
        assert!(denied.starts_with("DiskinfoErrorKind: PermissionDenied: Permission denied: "), "{denied}");
        let relative = told(Bench::new(), "mnt");
        assert!(relative.starts_with("DiskinfoErrorKind: Other: Path is not absolute mnt"), "{relative}");
        let none = Bench::new().failure("UnmountOptions().build()");
        assert!(none.contains("`path` must be initialized"), "{none}");
    }
}
