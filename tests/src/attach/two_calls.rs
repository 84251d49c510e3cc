// SPDX-License-Identifier: GPL-2.0-only

//! Attaching and unsharing, by setns(2) and unshare(2) in a row and by one request: the same errno
//! and the same effect.

use std::fmt::Write;
use std::os::fd::AsFd;

use anyhow::Result;
use unshare_device::Contexts;

use super::target::{KINDS, Target};
use crate::backend::Backend;
use crate::check::ensure;
use crate::child::in_child;
use crate::harness::Suite;
use crate::oracle::Snapshot;
use crate::scale::some;
use crate::world::World;

pub(crate) fn suite() -> Suite {
    let suite = Suite::new("attach_two_calls");
    KINDS
        .each()
        .fold(suite, |suite, kind| {
            suite.test(
                format!("{kind} attached and each kind unshared: as setns(2) and then unshare(2)"),
                move || compare(kind),
            )
        })
        .by_lot(4)
}

/// Compares the outcomes of attaching `kind` and then unsharing each kind, by two calls and by one.
fn compare(kind: Contexts) -> Result<()> {
    let target = Target::new(KINDS)?;
    let theirs = target.snapshot(&World::alone()?)?;
    for new in some("two calls", 3, KINDS.each().collect()) {
        let [syscalls, ioctl] = [Backend::Syscall, Backend::Ioctl]
            .map(|backend| in_child(|| outcome(&target, &theirs, kind, new, backend)));
        let (syscalls, ioctl) = (syscalls?, ioctl?);
        ensure!(
            syscalls == ioctl,
            "{new}: syscalls: {syscalls}\nioctl: {ioctl}"
        );
    }
    Ok(())
}

fn outcome(
    target: &Target,
    theirs: &Snapshot,
    kind: Contexts,
    new: Contexts,
    backend: Backend,
) -> Result<String> {
    let world = World::alone()?;
    let before = world.snapshot()?;
    let result = match backend {
        Backend::Syscall => backend
            .attach(&world.device, target.as_fd(), kind)
            .and_then(|()| backend.unshare(&world.device, new)),
        Backend::Ioctl => {
            let reply = world.device.commit(target.attach_and(kind, new));
            reply.errno.map_or(Ok(()), Err)
        }
    };
    if let Err(errno) = result {
        return Ok(errno.to_string());
    }
    let after = world.snapshot()?;
    let mut text = String::new();
    for point in before.changed(&after) {
        let source = match &*point {
            "ns/pid_for_children" => "ns/pid",
            "cwd" => "root",
            other => other,
        };
        let whose = match after.get(&point)? == theirs.get(source)? {
            true => "the target's",
            false => "a new one",
        };
        write!(text, "\n{point}: {whose}")?;
    }
    Ok(text)
}
