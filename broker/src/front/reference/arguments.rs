//! What `rex-broker sdk` takes on the command line.

use clap::{Args, Subcommand};

/// The reference of the functions that scripts can call.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_help = EXAMPLES)]
pub struct SdkArguments {
    /// What to tell.
    #[command(subcommand)]
    pub task: SdkTask,
}

/// What to tell about the functions.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum SdkTask {
    /// List every function, method, property and constant
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArguments),
    /// Show all overloads of a name, or everything of a type
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// Such as cat, FileHandle.read, read, grep::n or OpenFileOptions
        #[arg(value_name = "NAME", allow_hyphen_values = true)]
        name: String,
        /// As a JSON array of complete entries
        #[arg(long)]
        json: bool,
    },
    /// Find what has all of these words in its name, documentation or actions
    #[command(after_help = SEARCH_EXAMPLES)]
    Search {
        /// Words or parts of words, in any letter case
        #[arg(value_name = "TEXT", required = true)]
        words: Vec<String>,
        /// As a JSON array, as `list --json`
        #[arg(long)]
        json: bool,
    },
}

/// The form of the list.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
#[group(multiple = false)]
pub struct ListArguments {
    /// As a JSON array of module, name, signature, returns, actions and doc
    #[arg(long)]
    pub json: bool,
    /// The whole reference as one Markdown file, for language models
    #[arg(long)]
    pub markdown: bool,
    /// As a JSON array of LSP completion items, for editors
    #[arg(long)]
    pub completion: bool,
}

/// Shown below the options.
const EXAMPLES: &str = "\
Examples:
  rex-broker sdk show cat
  rex-broker sdk show FileHandle.read
  rex-broker sdk search gzip read
  rex-broker sdk list --markdown > rex-sdk.md

Exit status:
   0 found
   1 nothing has that name or text
  64 the command line makes no sense
  73 standard output cannot be written";

const LIST_EXAMPLES: &str = "\
Examples:
  rex-broker sdk list
  rex-broker sdk list --markdown > rex-sdk.md";

const SHOW_EXAMPLES: &str = "\
Examples:
  rex-broker sdk show cat
  rex-broker sdk show FileHandle.read --json

Exit status:
   0 found
   1 nothing has that name or text
  64 the command line makes no sense
  73 standard output cannot be written";

const SEARCH_EXAMPLES: &str = "\
Examples:
  rex-broker sdk search gzip read

Exit status:
   0 found
   1 nothing has that name or text
  64 the command line makes no sense
  73 standard output cannot be written";
