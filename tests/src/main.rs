// SPDX-License-Identifier: GPL-2.0-only

//! The program of the tests.

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    unshare_tests::main()
}
