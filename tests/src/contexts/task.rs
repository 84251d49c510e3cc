// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`, `CLONE_SIGHAND`, `CLONE_THREAD`: what makes tasks threads. Nothing to leave is
//! success, and a thread cannot leave. What is shared by processes: see [`vm`](super::vm) and
//! [`sighand`](super::sighand).

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::conditions::beside_thread;
use crate::device::unshare;
use crate::harness::Suite;
use crate::world::World;

const VM: Contexts = Contexts::VM;
const SIGHAND: Contexts = Contexts::SIGHAND;
const THREAD: Contexts = Contexts::THREAD;

pub(crate) fn suite() -> Suite {
    let suite = [VM, SIGHAND, THREAD, VM.union(SIGHAND).union(THREAD)]
        .into_iter()
        .fold(Suite::new("task"), |suite, bits| {
            suite
                .test(format!("{bits}, with nothing shared: success"), move || {
                    World::alone()?.replaces(unshare(bits), Contexts::empty(), &[])
                })
                .test(
                    format!("{bits}, in a process with two threads: EINVAL, CLONE_THREAD"),
                    move || with_thread(bits),
                )
        });
    suite
        .test(
            "a caller that shares its address space gets its own signal handlers",
            || World::sharing(VM)?.replaces(unshare(SIGHAND), Contexts::empty(), &[]),
        )
        .test("a thread can unshare other contexts", other_contexts)
}

fn with_thread(bits: Contexts) -> Result<()> {
    let world = World::alone()?;
    beside_thread(|| world.refuses(unshare(bits), Errno::INVAL, THREAD))
}

fn other_contexts() -> Result<()> {
    let world = World::alone()?;
    let bits = Contexts::FS | Contexts::FILES | Contexts::UTS;
    beside_thread(|| world.replaces(unshare(bits), bits, &["ns/uts"]))
}
