//! Rows about services, against a bus of the test's own; the real manager is met in `tests/services`.

mod act_on_unit;
mod bus;
mod reload_manager;
mod unit_status;
