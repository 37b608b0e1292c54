//! The builders of options for what changes something, under the names that scripts know.

use rhai::{INT, ImmutableString};

use super::kind::{Kind, kind};
use crate::file_system::change_options::{
    ChmodDirOptions, CopyFileOptions, CreateSymlinkOptions, DeleteDirOptions, DeleteFileOptions,
    DiskUsageOptions, FallocateOptions, MoveOptions, SetOwnershipOptions, SetXAttrOptions, TruncateOptions,
    WriteOptions,
};
use crate::file_system::options::{Builder, SizeUnit};
use crate::registry::Registrar;

/// Registers every builder.
pub fn register(registrar: &mut Registrar<'_>) {
    register_delete_dir(registrar);
    register_delete_file(registrar);
    register_write(registrar);
    register_copy_file(registrar);
    register_move(registrar);
    register_chmod_dir(registrar);
    register_set_ownership(registrar);
    register_disk_usage(registrar);
    register_create_symlink(registrar);
    register_truncate(registrar);
    register_fallocate(registrar);
    register_set_xattr(registrar);
}

fn register_delete_dir(registrar: &mut Registrar<'_>) {
    let kind = kind!("DeleteDirOptions");
    kind.start::<DeleteDirOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("force", kind.bool, "It is no failure that the directory is gone."),
        |builder: &mut Builder<DeleteDirOptions>, wanted: bool| builder.0.force = wanted,
    );
    registrar.setter(
        kind.setter("recursive", kind.bool, "Removes what is in it first."),
        |builder: &mut Builder<DeleteDirOptions>, wanted: bool| builder.0.recursive = wanted,
    );
    kind.plain_build::<DeleteDirOptions>(registrar);
}

fn register_delete_file(registrar: &mut Registrar<'_>) {
    let kind = kind!("DeleteFileOptions");
    kind.start::<DeleteFileOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("force", kind.bool, "It is no failure that the file is gone."),
        |builder: &mut Builder<DeleteFileOptions>, wanted: bool| builder.0.force = wanted,
    );
    kind.plain_build::<DeleteFileOptions>(registrar);
}

fn register_write(registrar: &mut Registrar<'_>) {
    let kind = kind!("WriteOptions");
    kind.start::<WriteOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("preserve_ownership", kind.bool, "The new file gets the user and group of the old one."),
        |builder: &mut Builder<WriteOptions>, wanted: bool| builder.0.preserve_ownership = wanted,
    );
    kind.plain_build::<WriteOptions>(registrar);
}

fn register_copy_file(registrar: &mut Registrar<'_>) {
    let kind = kind!("CopyFileOptions");
    kind.start::<CopyFileOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("force", kind.bool, "Overwrites a destination that has content."),
        |builder: &mut Builder<CopyFileOptions>, wanted: bool| builder.0.force = wanted,
    );
    registrar.setter(
        kind.setter("preserve", kind.bool, "Keeps mode and times."),
        |builder: &mut Builder<CopyFileOptions>, wanted: bool| builder.0.preserve = wanted,
    );
    kind.plain_build::<CopyFileOptions>(registrar);
}

fn register_move(registrar: &mut Registrar<'_>) {
    let kind = kind!("MoveOptions");
    kind.start::<MoveOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter(
            "backup",
            kind.bool,
            "Fails if a file that goes to another file system cannot keep owner, mode and times.",
        ),
        |builder: &mut Builder<MoveOptions>, wanted: bool| builder.0.backup = wanted,
    );
    registrar.setter(
        kind.setter("verbose", kind.bool, "Writes a line to the log."),
        |builder: &mut Builder<MoveOptions>, wanted: bool| builder.0.verbose = wanted,
    );
    kind.plain_build::<MoveOptions>(registrar);
}

fn register_chmod_dir(registrar: &mut Registrar<'_>) {
    let kind = kind!("ChmodDirOptions");
    kind.start::<ChmodDirOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("permissions", kind.number, "The permission bits."),
        |builder: &mut Builder<ChmodDirOptions>, number: INT| builder.0.permissions = Some(number),
    );
    registrar.setter(
        kind.setter("recursive", kind.bool, "Everything below gets them, too."),
        |builder: &mut Builder<ChmodDirOptions>, wanted: bool| builder.0.recursive = wanted,
    );
    registrar.function(kind.build(), Builder::<ChmodDirOptions>::build);
}

fn register_set_ownership(registrar: &mut Registrar<'_>) {
    let kind = kind!("SetOwnershipOptions");
    kind.start::<SetOwnershipOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("user", kind.text, "The name of the new user."),
        |builder: &mut Builder<SetOwnershipOptions>, text: ImmutableString| builder.0.user = Some(text),
    );
    registrar.setter(
        kind.setter("group", kind.text, "The name of the new group."),
        |builder: &mut Builder<SetOwnershipOptions>, text: ImmutableString| builder.0.group = Some(text),
    );
    registrar.setter(
        kind.setter("recursive", kind.bool, "Everything below gets them, too."),
        |builder: &mut Builder<SetOwnershipOptions>, wanted: bool| builder.0.recursive = wanted,
    );
    kind.plain_build::<SetOwnershipOptions>(registrar);
}

fn register_disk_usage(registrar: &mut Registrar<'_>) {
    let kind = kind!("DiskUsageOptions");
    kind.start::<DiskUsageOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("summarize", kind.bool, "Lists the directory itself and nothing below."),
        |builder: &mut Builder<DiskUsageOptions>, wanted: bool| builder.0.summarize = wanted,
    );
    registrar.setter(
        kind.setter("all_files", kind.bool, "Lists what is not a directory, too."),
        |builder: &mut Builder<DiskUsageOptions>, wanted: bool| builder.0.all_files = wanted,
    );
    registrar.setter(
        kind.setter("one_file_system", kind.bool, "Counts nothing on other file systems."),
        |builder: &mut Builder<DiskUsageOptions>, wanted: bool| builder.0.one_file_system = wanted,
    );
    registrar.setter(
        kind.setter("count_hard_links", kind.bool, "Counts a file again under each of its names."),
        |builder: &mut Builder<DiskUsageOptions>, wanted: bool| builder.0.count_hard_links = wanted,
    );
    registrar.setter(
        kind.setter("apparent_size", kind.bool, "Counts lengths instead of allocated blocks."),
        |builder: &mut Builder<DiskUsageOptions>, wanted: bool| builder.0.apparent_size = wanted,
    );
    registrar.setter(
        kind.setter("max_depth", kind.number, "Lists nothing below this depth."),
        |builder: &mut Builder<DiskUsageOptions>, number: INT| builder.0.max_depth = number,
    );
    registrar.setter(
        kind.setter("track_largest_subdir", kind.bool, "Keeps the largest listed directory open."),
        |builder: &mut Builder<DiskUsageOptions>, wanted: bool| builder.0.track_largest_subdir = wanted,
    );
    registrar.function(kind.build(), |builder: &mut Builder<DiskUsageOptions>| builder.0.checked());
}

fn register_create_symlink(registrar: &mut Registrar<'_>) {
    let kind = kind!("CreateSymlinkOptions");
    kind.start::<CreateSymlinkOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("force", kind.bool, "Replaces what has the name, unless it is a directory."),
        |builder: &mut Builder<CreateSymlinkOptions>, wanted: bool| builder.0.force = wanted,
    );
    kind.plain_build::<CreateSymlinkOptions>(registrar);
}

fn register_truncate(registrar: &mut Registrar<'_>) {
    let kind = kind!("TruncateOptions");
    kind.start::<TruncateOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("size", kind.number, "The length of the file, in the unit."),
        |builder: &mut Builder<TruncateOptions>, number: INT| builder.0.size = number,
    );
    registrar.setter(
        kind.setter("format", kind.unit, "The unit of the length."),
        |builder: &mut Builder<TruncateOptions>, unit: SizeUnit| builder.0.format = unit,
    );
    kind.plain_build::<TruncateOptions>(registrar);
}

fn register_fallocate(registrar: &mut Registrar<'_>) {
    let kind = kind!("FallocateOptions");
    kind.start::<FallocateOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("length", kind.number, "How much is allocated from the start, in the unit."),
        |builder: &mut Builder<FallocateOptions>, number: INT| builder.0.length = Some(number),
    );
    registrar.setter(
        kind.setter("format", kind.unit, "The unit of the length."),
        |builder: &mut Builder<FallocateOptions>, unit: SizeUnit| builder.0.format = unit,
    );
    registrar.function(kind.build(), Builder::<FallocateOptions>::build);
}

fn register_set_xattr(registrar: &mut Registrar<'_>) {
    let kind = kind!("SetXAttrOptions");
    kind.start::<SetXAttrOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("name", kind.text, "The attribute, which must be `security.selinux`."),
        |builder: &mut Builder<SetXAttrOptions>, text: ImmutableString| builder.0.name = Some(text),
    );
    registrar.setter(
        kind.setter("selinux_type", kind.text, "The new SELinux type."),
        |builder: &mut Builder<SetXAttrOptions>, text: ImmutableString| builder.0.selinux_type = Some(text),
    );
    registrar.setter(
        kind.setter("selinux_user", kind.text, "The new SELinux user."),
        |builder: &mut Builder<SetXAttrOptions>, text: ImmutableString| builder.0.selinux_user = Some(text),
    );
    registrar.setter(
        kind.setter("selinux_role", kind.text, "The new SELinux role."),
        |builder: &mut Builder<SetXAttrOptions>, text: ImmutableString| builder.0.selinux_role = Some(text),
    );
    registrar.setter(
        kind.setter("selinux_level", kind.text, "The new SELinux level."),
        |builder: &mut Builder<SetXAttrOptions>, text: ImmutableString| builder.0.selinux_level = Some(text),
    );
    registrar.function(kind.build(), Builder::<SetXAttrOptions>::build);
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn what_must_be_set_or_contradicts_is_said_as_text() {
        let script = r#"
            let r = [];
            try { ChmodDirOptions().recursive(true).build() } catch (e) { r.push(e) }
            try { DiskUsageOptions().summarize(true).all_files(true).build() } catch (e) { r.push(e) }
            try { FallocateOptions().build() } catch (e) { r.push(e) }
            for n in [0, -1] { try { FallocateOptions().length(n).build() } catch (e) { r.push(e) } }
            try { SetXAttrOptions().selinux_type("t").build() } catch (e) { r.push(e) }
            r
        "#;

        assert_eq!(
            Bench::new().output(script),
            "[\"`permissions` must be initialized\", \
             \"Validation error: cannot both summarize and show all entries\", \
             \"Invalid arguments: Field not initialized: length\", \
             \"Validation error: Length must be greater than 0\", \
             \"Validation error: Length must be greater than 0\", \
             \"`name` must be initialized\"]"
        );
    }

    #[test]
    fn what_need_not_be_set_can_be_built_at_once() {
        let script = r#"
            [DeleteDirOptions().build(), DeleteFileOptions().build(), WriteOptions().build(), CopyFileOptions().build(),
             MoveOptions().build(), SetOwnershipOptions().build(), DiskUsageOptions().build(), CreateSymlinkOptions().build(),
             TruncateOptions().build()].map(|o| type_of(o))
        "#;

        assert_eq!(
            Bench::new().output(script),
            "[\"DeleteDirOptions\", \"DeleteFileOptions\", \"WriteOptions\", \"CopyFileOptions\", \"MoveOptions\", \
             \"SetOwnershipOptions\", \"DiskUsageOptions\", \"CreateSymlinkOptions\", \"TruncateOptions\"]"
        );
    }
}
