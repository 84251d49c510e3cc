// SPDX-License-Identifier: GPL-2.0-only

//! The same request by unshare(2) and by the ioctl has the same errno and the same effect.

use std::fmt::Write;

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::attach;
use crate::backend::Backend;
use crate::bare::KINDS;
use crate::check::ensure;
use crate::child::in_child;
use crate::contexts::files_dropped;
use crate::device::UNSHARE_EMPTY_MNTNS;
use crate::differences::INTENDED;
use crate::everything::{all_at_once, singles};
use crate::harness::Suite;
use crate::oracle::Snapshot;
use crate::race;
use crate::scale::limit;
use crate::situations::{SITUATIONS, Situation, find};
use crate::world::World;

pub(crate) fn suite() -> Suite {
    let cases = cases();
    let names = cases.iter().map(Case::name);
    let mut names: Vec<_> = names.chain(attach::differential::cases()).collect();
    names.extend([race::CASE, files_dropped::CASE].map(str::to_owned));
    names.extend(attach::order::CASES.map(str::to_owned));
    names.extend(without().iter().map(Case::name));
    let suite = cases
        .into_iter()
        .fold(Suite::new("differential"), |suite, case| {
            suite.test(format!("{}: as unshare(2)", case.name()), move || {
                compare(&case)
            })
        });
    suite
        .slow(race::CASE, limit(), race::compare)
        .test("each intended difference belongs to a case", move || {
            for difference in &INTENDED {
                let known = names.iter().any(|name| name == difference.case);
                ensure!(known, "no case {:?}", difference.case);
            }
            Ok(())
        })
        .by_lot(25)
}

/// A request in a situation.
pub(crate) struct Case {
    what: String,
    bits: Contexts,
    situation: &'static Situation,
}

impl Case {
    fn new(bits: Contexts, situation: &'static Situation) -> Self {
        Self {
            what: bits.to_string(),
            bits,
            situation,
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("{}, {}", self.what, self.situation.name)
    }
}

fn cases() -> Vec<Case> {
    let plain = find("a usual caller");
    let mut cases = Vec::new();
    let mut requests = singles();
    requests.extend([Contexts::empty(), UNSHARE_EMPTY_MNTNS, all_at_once()]);
    requests.extend([
        Contexts::from_bits_retain(1),
        Contexts::from_bits_retain(1 << 63),
    ]);
    // Pairs with contexts that change permissions or imply others. `combinations` checks the other
    // pairs without the syscall.
    for strong in [Contexts::USER, Contexts::MOUNT] {
        let others = singles().into_iter().filter(|&other| other != strong);
        let pairs = others.map(|other| strong | other);
        // The syscall lacks this bit.
        requests.extend(pairs.filter(|pair| !pair.contains(Contexts::EMPTY_MNTNS)));
    }
    requests.push(Contexts::IPC | Contexts::SYSVSEM);
    requests.sort();
    requests.dedup();
    cases.extend(requests.into_iter().map(|bits| Case::new(bits, plain)));
    for situation in SITUATIONS {
        for &bits in situation.requests {
            cases.push(Case::new(bits, situation));
        }
    }
    for (what, bits, situation) in [
        ("all contexts", all_at_once(), "with threads"),
        ("all contexts", all_at_once(), "uid 1000"),
        ("all contexts", all_at_once(), "no time namespaces left"),
        (
            "CLONE_NEWUSER and an unknown bit",
            Contexts::USER | Contexts::from_bits_retain(1),
            "with unprivileged_userns_clone=0",
        ),
    ] {
        cases.push(Case {
            what: what.to_owned(),
            bits,
            situation: find(situation),
        });
    }
    cases
}

/// Requests for a kind of namespace that the kernel lacks, and for semaphore adjustments on a
/// kernel without semaphores.
pub(crate) fn without() -> Vec<Case> {
    let kinds = KINDS.map(|(kind, _)| kind);
    let wanted = kinds.into_iter().chain([Contexts::SYSVSEM]);
    let case = |bits| Case {
        what: format!("{bits} on a kernel without"),
        bits,
        situation: find("a usual caller"),
    };
    wanted.map(case).collect()
}

/// Makes the request one way, and describes the outcome point by point.
fn outcome(case: &Case, backend: Backend) -> Result<String> {
    let mut world = World::sharing(case.situation.shared)?;
    (case.situation.within)(&mut world, &mut |world| {
        let before = world.snapshot()?;
        let result = backend.unshare(&world.device, case.bits);
        let after = world.snapshot()?;
        describe(result, &before, &after)
    })
}

fn describe(result: Result<(), Errno>, before: &Snapshot, after: &Snapshot) -> Result<String> {
    let mut text = match result {
        Ok(()) => "success".to_owned(),
        Err(errno) => errno.to_string(),
    };
    for point in before.changed(after) {
        // The numbers of namespaces and mounts differ between runs.
        let numbered = point.starts_with("ns/") || ["root", "cwd"].contains(&&*point);
        let value = match numbered {
            true => "a new one",
            false => after.get(&point)?,
        };
        write!(text, "\n{point}: {value}")?;
    }
    Ok(text)
}

pub(crate) fn compare(case: &Case) -> Result<()> {
    // Each way in a separate process; this process is the second one.
    let syscall = in_child(|| outcome(case, Backend::Syscall))?;
    let ioctl = outcome(case, Backend::Ioctl)?;
    judge(&case.name(), &syscall, &ioctl)
}

/// Fails if two outcomes differ, unless the list says that they do, and how.
pub(crate) fn judge(case: &str, syscall: &str, ioctl: &str) -> Result<()> {
    let kernel = rustix::system::uname();
    let release = kernel.release().to_str()?;
    let mut intended = INTENDED
        .iter()
        .filter(|difference| difference.is_on(release));
    let Some(meant) = intended.find(|difference| difference.case == case) else {
        ensure!(syscall == ioctl, "syscall: {syscall}\nioctl: {ioctl}");
        return Ok(());
    };
    ensure!(
        syscall.starts_with(meant.syscall) && ioctl.starts_with(meant.ioctl),
        "syscall: {syscall}\nioctl: {ioctl}\nmeant to be {}, and {}, because {}",
        meant.syscall,
        meant.ioctl,
        meant.reason
    );
    Ok(())
}
