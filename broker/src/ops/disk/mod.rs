//! The operations on disks: a file for each.

mod stat_file_system;
mod unmount;
