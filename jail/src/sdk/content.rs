//! Compressed files, archives, certificates and ELF files, under the names that scripts know.

use rhai::{Array, INT, ImmutableString, NativeCallContext};

use crate::content::certificate;
use crate::content::elf::{self, ElfInfo};
use crate::content::extract;
use crate::content::gzip::{self, GzipInfo};
use crate::content::options::{CompressGzipOptions, ExtractArchiveOptions, SearchGzipOptions};
use crate::content::pieces::Places;
use crate::content::search_gzip;
use crate::file_system::dir::DirHandle;
use crate::file_system::file::FileHandle;
use crate::file_system::options::{Builder, ReadLinesOptions};
use crate::registry::{Entry, NOTHING, Registrar};

/// Registers everything.
pub fn register(registrar: &mut Registrar<'_>) {
    register_compress_options(registrar);
    register_search_options(registrar);
    register_extract_options(registrar);
    register_gzip(registrar);
    register_search(registrar);
    register_archive(registrar);
    register_certificates(registrar);
    register_elf(registrar);
    register_gzip_info(registrar);
    register_elf_info(registrar);
}

fn register_compress_options(registrar: &mut Registrar<'_>) {
    let entry = options("CompressGzipOptions");
    registrar.type_name::<Builder<CompressGzipOptions>>("CompressGzipOptionsBuilder");
    registrar.type_name::<CompressGzipOptions>("CompressGzipOptions");
    registrar.function(
        entry("CompressGzipOptions", "()", "CompressGzipOptionsBuilder", "Options with nothing set."),
        Builder::<CompressGzipOptions>::default,
    );
    registrar.fallible_setter(
        entry(
            "level",
            "(CompressGzipOptionsBuilder, i64)",
            "CompressGzipOptionsBuilder",
            "From 1, which is fast, to 9, which is small; 6 when it is not set.",
        ),
        Builder::<CompressGzipOptions>::level,
    );
    registrar.function(
        entry("build", "(CompressGzipOptionsBuilder)", "CompressGzipOptions", FINISHED),
        Builder::<CompressGzipOptions>::build,
    );
}

fn register_search_options(registrar: &mut Registrar<'_>) {
    type Search = Builder<SearchGzipOptions>;
    let entry = options("SearchGzipOptions");
    registrar.type_name::<Search>("SearchGzipOptionsBuilder");
    registrar.type_name::<SearchGzipOptions>("SearchGzipOptions");
    registrar.function(
        entry("SearchGzipOptions", "()", "SearchGzipOptionsBuilder", "Options with nothing set."),
        Search::default,
    );
    registrar.setter(
        entry(
            "exclude_pattern",
            "(SearchGzipOptionsBuilder, String)",
            "SearchGzipOptionsBuilder",
            "Leaves out the lines that match this, in the same letter case.",
        ),
        |builder: &mut Search, pattern: ImmutableString| builder.0.exclude_pattern = Some(pattern),
    );
    registrar.setter(
        entry(
            "case_insensitive",
            "(SearchGzipOptionsBuilder, bool)",
            "SearchGzipOptionsBuilder",
            "Finds the pattern in either letter case.",
        ),
        |builder: &mut Search, wanted: bool| builder.0.case_insensitive = wanted,
    );
    registrar.setter(
        entry(
            "max_results",
            "(SearchGzipOptionsBuilder, i64)",
            "SearchGzipOptionsBuilder",
            "At most so many lines: the first ones, or the last ones when it is less than 0.",
        ),
        |builder: &mut Search, most: INT| builder.0.max_results = most,
    );
    registrar.function(
        entry("build", "(SearchGzipOptionsBuilder)", "SearchGzipOptions", FINISHED),
        |builder: &mut Search| builder.0.clone(),
    );
}

fn register_extract_options(registrar: &mut Registrar<'_>) {
    type Extract = Builder<ExtractArchiveOptions>;
    let entry = options("ExtractArchiveOptions");
    let setter =
        |name, doc| entry(name, "(ExtractArchiveOptionsBuilder, bool)", "ExtractArchiveOptionsBuilder", doc);
    registrar.type_name::<Extract>("ExtractArchiveOptionsBuilder");
    registrar.type_name::<ExtractArchiveOptions>("ExtractArchiveOptions");
    registrar.function(
        entry("ExtractArchiveOptions", "()", "ExtractArchiveOptionsBuilder", "Options with nothing set."),
        Extract::default,
    );
    registrar.setter(
        setter(
            "preserve_permissions",
            "Gives the entries their permission bits, which it does unless told not to.",
        ),
        |builder: &mut Extract, wanted: bool| builder.0.preserve_permissions = wanted,
    );
    registrar.setter(
        setter("preserve_ownership", "Gives the entries their user and group."),
        |builder: &mut Extract, wanted: bool| builder.0.preserve_ownership = wanted,
    );
    registrar.setter(
        setter("preserve_timestamps", "Gives the entries their times, which it does unless told not to."),
        |builder: &mut Extract, wanted: bool| builder.0.preserve_timestamps = wanted,
    );
    registrar.setter(
        setter("best_effort", "Tells what cannot be made in the log, and does not fail for it."),
        |builder: &mut Extract, wanted: bool| builder.0.best_effort = wanted,
    );
    registrar.function(
        entry("build", "(ExtractArchiveOptionsBuilder)", "ExtractArchiveOptions", FINISHED),
        |builder: &mut Extract| builder.0.clone(),
    );
}

fn register_gzip(registrar: &mut Registrar<'_>) {
    registrar.function(
        of_file(
            "compress_gzip",
            "(FileHandle src, FileHandle dst, CompressGzipOptions)",
            "()",
            "read File(src), write File(dst)",
            "Puts the compressed content of a file in the place of another one's.",
        ),
        |context: NativeCallContext, from: FileHandle, to: FileHandle, options: CompressGzipOptions| {
            gzip::compress(&context, &from, &to, &options)
        },
    );
    registrar.function(
        of_file(
            "read_gzip_lines",
            "(FileHandle, ReadLinesOptions)",
            "Array<String>",
            "read File",
            "Some lines of a compressed text.",
        ),
        |context: NativeCallContext, file: FileHandle, options: ReadLinesOptions| {
            gzip::read_lines(&context, &file, &options)
        },
    );
    registrar.function(
        of_file(
            "gzip_info",
            "(FileHandle)",
            "GzipInfo",
            "read File",
            "The sizes of a compressed file, as its last bytes claim.",
        ),
        |context: NativeCallContext, file: FileHandle| GzipInfo::of(&context, &file),
    );
}

fn register_search(registrar: &mut Registrar<'_>) {
    registrar.function(
        of_file(
            "search_gzip",
            "(FileHandle, pattern: String, SearchGzipOptions)",
            "Array<Match>",
            "read File",
            "The lines of a compressed text that match.",
        ),
        |context: NativeCallContext, file: FileHandle, pattern: &str, options: SearchGzipOptions| {
            search_gzip::search(&context, &file, pattern, &options)
        },
    );
    registrar.function(
        of_file(
            "search_gzip_exists",
            "(FileHandle, pattern: String, SearchGzipOptions)",
            "bool",
            "read File",
            "Whether a line of a compressed text matches.",
        ),
        |context: NativeCallContext, file: FileHandle, pattern: &str, options: SearchGzipOptions| {
            search_gzip::exists(&context, &file, pattern, &options)
        },
    );
}

fn register_archive(registrar: &mut Registrar<'_>) {
    registrar.function(
        of_file(
            "extract_archive",
            "(FileHandle, DirHandle dst, ExtractArchiveOptions)",
            "()",
            "read File(archive), per regular entry(best effort): create File, write File, create Dir per parent level, \
             [chmod File], [chown File]; per directory entry(best effort): create Dir per level, open Dir, [chmod Dir], \
             [chown Dir]",
            "Makes the files and directories of a compressed archive below a directory.",
        ),
        |context: NativeCallContext, archive: FileHandle, to: DirHandle, options: ExtractArchiveOptions| {
            extract::extract(&context, &archive, &to, &options)
        },
    );
}

fn register_certificates(registrar: &mut Registrar<'_>) {
    registrar.function(
        of_file(
            "verify_cert",
            "(FileHandle, FileHandle root)",
            "()",
            "read File, read File(root)",
            "Fails unless a server's certificate goes back to a root.",
        ),
        |context: NativeCallContext, server: FileHandle, root: FileHandle| {
            certificate::verify_files(&context, &server, &root, &[])
        },
    );
    registrar.function(
        of_file(
            "verify_cert_chain",
            "(FileHandle, FileHandle root, Array<FileHandle>)",
            "()",
            "read File, read File(root), [read File(each intermediate)]",
            "Fails unless a server's certificate goes back to a root by way of intermediate ones.",
        ),
        |context: NativeCallContext, server: FileHandle, root: FileHandle, intermediates: Array| {
            certificate::verify_files(&context, &server, &root, &certificate::files(intermediates)?)
        },
    );
}

fn register_elf(registrar: &mut Registrar<'_>) {
    registrar.function(
        of_file("elf_info", "(FileHandle)", "ElfInfo", "read File", "What an ELF file says of itself."),
        |context: NativeCallContext, file: FileHandle| ElfInfo::of(&mut Places::of(&context, &file)),
    );
}

fn register_gzip_info(registrar: &mut Registrar<'_>) {
    registrar.type_name::<GzipInfo>("rust_safe_io::file::gzip::GzipInfo");
    let entry = |name, returns, doc| Entry {
        module: "GzipInfo",
        name,
        signature: "(GzipInfo)",
        returns,
        actions: NOTHING,
        doc,
    };
    registrar.function(
        entry("get$compressed_size_bytes", "i64", "The length of the file."),
        |info: &mut GzipInfo| info.compressed_size_bytes,
    );
    registrar.function(
        entry("get$uncompressed_size_bytes", "i64", "The length of the content, modulo 2^32."),
        |info: &mut GzipInfo| info.uncompressed_size_bytes,
    );
    registrar.function(
        entry("get$compression_ratio", "f64", "The length of the content by that of the file."),
        |info: &mut GzipInfo| info.compression_ratio,
    );
    registrar.function(entry("to_map", "Map", "The fields as a map."), |info: &mut GzipInfo| info.to_map());
}

fn register_elf_info(registrar: &mut Registrar<'_>) {
    registrar.type_name::<ElfInfo>("rust_safe_io::file::unix::linux::elf_info::ElfInfo");
    let entry = |name, returns, doc| Entry {
        module: "ElfInfo",
        name,
        signature: "(ElfInfo)",
        returns,
        actions: NOTHING,
        doc,
    };
    let text = "String | ()";
    registrar.function(
        entry("get$execfn", text, "The path of the program that was run, of a core file."),
        |info: &mut ElfInfo| elf::optional(info.execfn.as_ref()),
    );
    registrar.function(
        entry("get$platform", text, "The platform it was run on, of a core file."),
        |info: &mut ElfInfo| elf::optional(info.platform.as_ref()),
    );
    registrar.function(
        entry("get$interpreter", text, "The path of the program's interpreter."),
        |info: &mut ElfInfo| elf::optional(info.interpreter.as_ref()),
    );
    registrar.function(
        entry("get$is_64bit", "bool", "Whether it is of the 64-bit class."),
        |info: &mut ElfInfo| info.is_64bit,
    );
    registrar.function(entry("to_map", "Map", "The fields as a map."), |info: &mut ElfInfo| info.to_map());
}

fn options(
    module: &'static str,
) -> impl Fn(&'static str, &'static str, &'static str, &'static str) -> Entry + Copy {
    move |name, signature, returns, doc| Entry { module, name, signature, returns, actions: NOTHING, doc }
}

fn of_file(
    name: &'static str,
    signature: &'static str,
    returns: &'static str,
    actions: &'static str,
    doc: &'static str,
) -> Entry {
    Entry { module: "FileHandle", name, signature, returns, actions, doc }
}

const FINISHED: &str = "The finished options.";
