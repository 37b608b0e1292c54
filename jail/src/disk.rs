//! File systems that are mounted, block devices, and what they have done.

pub mod activity;
pub mod block_devices;
pub mod file_systems;
pub mod mounts;
pub mod unmount;
