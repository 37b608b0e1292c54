//! Rows about disks.

mod stat_file_system;
mod unmount;
