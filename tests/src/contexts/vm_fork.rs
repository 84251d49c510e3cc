// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`: everything is as in a forked child. Each probe looks at both.

use anyhow::Result;

use super::vm_probes::{PROBES, Probe};
use crate::check::ensure;
use crate::child::in_child;
use crate::harness::Suite;
use crate::twin::Twin;

pub(crate) fn suite() -> Suite {
    PROBES.iter().fold(Suite::new("vm_fork"), |suite, probe| {
        suite.test(probe.name, move || compare(probe))
    })
}

fn compare(probe: &Probe) -> Result<()> {
    let [forked, unshared] =
        [Twin::Forked, Twin::Unshared].map(|twin| in_child(|| (probe.outcome)(twin)));
    let (forked, unshared) = (forked?, unshared?);
    ensure!(forked == unshared, "forked: {forked}\nunshared: {unshared}");
    if let Some(expected) = probe.expected {
        ensure!(unshared == expected, "{unshared}, and not {expected}");
    }
    Ok(())
}
