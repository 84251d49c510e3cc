// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`, `CLONE_SIGHAND`, `CLONE_THREAD`: what makes tasks threads. Nothing to leave is
//! success, and a thread cannot leave. What is shared by processes: see [`vm`](super::vm) and
//! [`sighand`](super::sighand).

use std::sync::mpsc;
use std::thread;

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

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
                .test(format!("{bits}, and nothing shared: success"), move || {
                    World::alone()?.replaces(unshare(bits), Contexts::empty(), &[])
                })
                .test(
                    format!("{bits}, in a process with two threads: EINVAL, CLONE_THREAD"),
                    move || with_thread(bits),
                )
        });
    suite
        .test("a shared address space does not keep own handlers", || {
            World::sharing(VM)?.replaces(unshare(SIGHAND), Contexts::empty(), &[])
        })
        .test("other contexts can be left by a thread", other_contexts)
}

/// While another thread lives.
fn with_other_thread<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    thread::scope(|scope| {
        let (done, wait) = mpsc::channel::<()>();
        scope.spawn(move || wait.recv().is_err());
        let outcome = body();
        drop(done);
        outcome
    })
}

fn with_thread(bits: Contexts) -> Result<()> {
    let world = World::alone()?;
    with_other_thread(|| world.refuses(unshare(bits), Errno::INVAL, THREAD))
}

fn other_contexts() -> Result<()> {
    let world = World::alone()?;
    let bits = Contexts::FS | Contexts::FILES | Contexts::UTS;
    with_other_thread(|| world.replaces(unshare(bits), bits, &["ns/uts"]))
}
