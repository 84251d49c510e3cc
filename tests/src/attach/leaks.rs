// SPDX-License-Identifier: GPL-2.0-only

//! An attached namespace ends when the last task leaves it: the module holds nothing longer.

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use super::target::{ATTACHABLE, KINDS, Target};
use crate::check::ensure;
use crate::child::in_child;
use crate::device::{Args, DRY_RUN};
use crate::everything::PROCESS;
use crate::harness::Suite;
use crate::machine::Setting;
use crate::scale::{limit, rounds};
use crate::slab::leaves_nothing;
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("attach_leaks")
        .slow(
            "attaching and leaving again leaks nothing",
            limit(),
            successes,
        )
        .slow(
            "failed requests and dry runs leak nothing",
            limit(),
            refusals,
        )
}

fn successes() -> Result<()> {
    let times = rounds(40, 1000);
    leaves_nothing(times, times, || {
        let target = Target::new(KINDS)?;
        in_child(|| {
            let world = World::sharing(PROCESS)?;
            let request = target.attach_and(ATTACHABLE, PROCESS | Contexts::NET);
            let reply = world.device.commit(request);
            ensure!(reply.errno.is_none(), "{reply:?}");
            Ok(String::new())
        })
        .map(drop)
    })
}

fn refusals() -> Result<()> {
    let times = rounds(40, 1000);
    let world = World::sharing(PROCESS)?;
    leaves_nothing(times, times, || {
        // A task that shares memory cannot return from a new clock.
        let target = Target::new(KINDS.difference(Contexts::TIME))?;
        // Fails in the last kind, and in the last step of the second half.
        let alone = ATTACHABLE.difference(Contexts::TIME);
        let _limit = Setting::sysctl("user/max_time_namespaces", "0")?;
        for (request, errno) in [
            (target.attach(ATTACHABLE), Errno::USERS),
            (target.attach_and(alone, Contexts::TIME), Errno::NOSPC),
        ] {
            let reply = world.device.commit(request);
            ensure!(reply.errno == Some(errno), "{reply:?}");
        }
        let reply = world.device.commit(Args {
            options: DRY_RUN,
            ..target.attach_and(alone, PROCESS)
        });
        ensure!(reply.errno.is_none(), "{reply:?}");
        let target = target.zombie()?;
        let reply = world.device.commit(target.attach(ATTACHABLE));
        ensure!(reply.errno == Some(Errno::SRCH), "{reply:?}");
        Ok(())
    })
}
