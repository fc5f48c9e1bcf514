//! The one integration binary: every test against real parts.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests tell what they skipped and measured")]

mod systemd_unit;
mod tidy;
