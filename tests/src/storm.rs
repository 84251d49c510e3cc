// SPDX-License-Identifier: GPL-2.0-only

//! Item 4 of the test specification in Documentation/userspace-api/unshare.rst, section 8: tasks
//! that share everything that a process has, and that execute, exit and unshare contexts at the
//! same time.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use unshare_device::Contexts;

use crate::barrier::{Barrier, meet};
use crate::check::{bail, ensure};
use crate::child::{Child, in_child};
use crate::contexts::vm_request::reader;
use crate::device::{Device, unshare};
use crate::everything::{PROCESS, all_at_once, replaced};
use crate::harness::Suite;
use crate::module::unload;
use crate::oracle::Snapshot;
use crate::scale::{dice, limit, rounds};
use crate::sharer::Sharer;
use crate::slab::leaves_nothing;
use crate::tally::{Tried, tried};
use crate::world::World;

const SOON: Duration = Duration::from_secs(60);

pub(crate) fn suite() -> Suite {
    Suite::new("storm")
        .slow("ten tasks that exec, exit and unshare at once leave no damage", limit(), ten)
        .slow(
            "32 tasks that are also traced, read and killed, while the module is unloaded, leave no damage",
            limit(),
            under_fire,
        )
}

/// What a task does when all tasks are ready.
#[derive(Clone, Copy)]
enum Deed {
    Execute,
    Exit,
    Unshare(Contexts),
}

impl Deed {
    /// A fifth of the tasks execute, a fifth exit, and the others unshare some of what they share.
    fn draw(number: usize, dice: &mut Rng) -> Self {
        match number % 10 {
            0 | 5 => Self::Execute,
            1 | 6 => Self::Exit,
            _ => {
                let all = all_at_once() | PROCESS;
                Self::Unshare(Contexts::from_bits_retain(all.bits() & dice.u64(..)))
            }
        }
    }

    /// Its form in the argument of a [`Question`](crate::sharer::Question), which is parsed without
    /// allocating.
    fn name(self) -> u64 {
        match self {
            Self::Execute => 1,
            Self::Exit => 2,
            Self::Unshare(contexts) => contexts.bits(),
        }
    }
}

const EXIT_STATUS: i32 = 7;

/// A [`Question`](crate::sharer::Question): meets the other tasks at a barrier, and does what `arg`
/// says. `arg`: the deed, the address of the barrier, and the number of tasks.
fn act(arg: &str) -> Result<String> {
    let mut words = arg.split(' ').map(str::parse::<usize>);
    let mut number = || Ok::<_, anyhow::Error>(words.next().context("too few numbers")??);
    let (deed, barrier, everybody) = (number()?, number()?, number()?);
    let device = Device::open()?;
    // SAFETY: The asking task keeps it until all have answered or are dead.
    unsafe { meet(barrier, everybody.try_into()?) };
    match deed {
        1 => {
            let arguments = [c"true".as_ptr(), std::ptr::null()];
            let environment = [std::ptr::null()];
            // SAFETY: Both lists end with NULL.
            unsafe {
                libc::execve(
                    c"/bin/true".as_ptr(),
                    arguments.as_ptr(),
                    environment.as_ptr(),
                )
            };
            bail!("execve came back");
        }
        // SAFETY: Always sound; the other tasks use nothing that it would tear down.
        2 => unsafe { libc::_exit(EXIT_STATUS) },
        bits => {
            let asked = Contexts::from_bits_retain(bits.try_into()?);
            let reply = device.commit(unshare(asked));
            // The others may have left before, and a task that shares with nobody keeps what it
            // has.
            ensure!(
                reply.errno.is_none() && replaced(PROCESS, asked).contains(reply.replaced),
                "{reply:?} of {asked}"
            );
            let still = device.shared()? & asked & Contexts::VM;
            ensure!(still.is_empty(), "{still} is still shared");
            Ok(String::new())
        }
    }
}

/// Tasks that wait for each other, and for this one, before they begin.
struct Round {
    world: World,
    barrier: Barrier,
    deeds: Vec<Deed>,
    tasks: Vec<Sharer>,
    before: Snapshot,
}

impl Round {
    /// Starts the tasks, and asks each to act when all others are ready.
    fn new(count: usize, dice: &mut Rng) -> Result<Self> {
        tried(Tried::Race);
        let world = World::alone()?;
        let barrier = Barrier::new()?;
        let deeds: Vec<_> = (0..count).map(|number| Deed::draw(number, dice)).collect();
        let tasks = deeds
            .iter()
            .map(|_| Sharer::new(PROCESS))
            .collect::<Result<Vec<_>>>()?;
        let args: Vec<_> = deeds
            .iter()
            .map(|deed| format!("{} {} {}", deed.name(), barrier.name(), count + 1))
            .collect();
        for (task, arg) in tasks.iter().zip(&args) {
            task.begin(act, arg);
        }
        let before = world.snapshot()?;
        Ok(Self {
            world,
            barrier,
            deeds,
            tasks,
            before,
        })
    }

    /// Lets them begin. Meanwhile this task does not use the heap, which all of them share.
    fn begin(&self) -> Result<()> {
        self.barrier.come(self.deeds.len() + 1)
    }
}

/// Checks that nothing has changed for the task that stays.
fn ensure_unnoticed(world: &World, before: &Snapshot) -> Result<()> {
    let mut changed = before.changed(&world.snapshot()?);
    // Descriptors that the others opened stay open in the table that they left, and their stacks
    // are gone.
    changed.retain(|point| !["fd", "maps"].contains(&&**point));
    ensure!(changed.is_empty(), "the {changed:?} of the caller changed");
    Ok(())
}

/// One round of ten tasks, each of which succeeds without affecting the caller.
fn at_once(dice: &mut Rng) -> Result<()> {
    let round = Round::new(10, dice)?;
    round.begin()?;
    for (task, deed) in round.tasks.iter().zip(&round.deeds) {
        if let Deed::Unshare(_) = deed {
            task.wait();
        }
    }
    for (task, deed) in round.tasks.into_iter().zip(round.deeds) {
        match deed {
            Deed::Unshare(_) => drop(task.answer()?),
            Deed::Execute => {
                let end = task.end(SOON)?;
                ensure!(end.exit_status() == Some(0), "execve: {end:?}");
            }
            Deed::Exit => {
                let end = task.end(SOON)?;
                ensure!(end.exit_status() == Some(EXIT_STATUS), "_exit: {end:?}");
            }
        }
    }
    ensure_unnoticed(&round.world, &round.before)
}

/// Rounds of so many tasks, after which nothing is left. Each runs in a separate process, whose
/// descriptor table ends with it.
fn storm(name: &str, times: usize, tasks: usize, round: fn(&mut Rng) -> Result<()>) -> Result<()> {
    let mut dice = dice(name);
    // Less than if each task that unshares left one object behind.
    leaves_nothing(times, times * tasks / 4, || {
        let mut dice = dice.fork();
        in_child(|| round(&mut dice).map(|()| String::new())).map(drop)
    })
}

fn ten() -> Result<()> {
    storm("ten at once", rounds(6, 1000), 10, at_once)
}

/// Attaches to the tasks by ptrace(2), one after the other, and detaches again.
fn trace(tasks: &[Pid]) -> Result<String> {
    loop {
        for task in tasks {
            let task = task.as_raw_nonzero().get();
            let none = std::ptr::null_mut::<libc::c_void>();
            // SAFETY: These requests take no address.
            unsafe {
                if libc::ptrace(libc::PTRACE_SEIZE, task, none, none) != 0 {
                    continue;
                }
                libc::ptrace(libc::PTRACE_INTERRUPT, task, none, none);
                libc::waitpid(task, std::ptr::null_mut(), libc::__WALL);
                if libc::ptrace(libc::PTRACE_DETACH, task, none, none) != 0 {
                    // It has died meanwhile; its parent may reap it only after its tracer has.
                    libc::waitpid(task, std::ptr::null_mut(), libc::__WALL);
                }
            }
        }
    }
}

/// Reads the files of the tasks in /proc.
fn look(tasks: &[Pid]) -> Result<String> {
    loop {
        for task in tasks {
            for name in ["status", "maps", "stat", "environ", "mountinfo", "limits"] {
                let _ = fs::read(format!("/proc/{}/{name}", task.as_raw_nonzero()));
            }
            for name in ["ns/mnt", "ns/pid_for_children", "root", "cwd", "fd/3"] {
                let _ = fs::read_link(format!("/proc/{}/{name}", task.as_raw_nonzero()));
            }
        }
    }
}

/// Forks all the time, and tries to unload the module.
fn fork(_: &[Pid]) -> Result<String> {
    loop {
        in_child(|| Ok(String::new()))?;
        ensure!(unload().is_err(), "the module went while it was in use");
    }
}

/// One round of 32 tasks, some of which die before they act.
fn beset(dice: &mut Rng) -> Result<()> {
    // The tasks' world has the device open, so the module stays in use.
    let round = Round::new(32, dice)?;
    let pids: Vec<_> = round.tasks.iter().map(|task| task.pid).collect();
    let beside = [trace, look, fork]
        .into_iter()
        .map(|work| Child::spawn(|| work(&pids)))
        .collect::<Result<Vec<_>>>()?;
    let reader = reader()?;
    let (fire, start) = (Duration::from_millis(dice.u64(..200)), Instant::now());
    round.begin()?;
    while start.elapsed() < fire {
        let _ = kill_process(pids[dice.usize(..pids.len())], Signal::KILL);
        sleep(Duration::from_millis(3));
    }
    for work in beside {
        work.stop()?;
    }
    let complaints = round.tasks.into_iter().filter_map(Sharer::interrupt);
    let complaints: Vec<_> = complaints.collect();
    ensure!(complaints.is_empty(), "{complaints:?}");
    drop(reader);
    ensure_unnoticed(&round.world, &round.before)
}

fn under_fire() -> Result<()> {
    storm("32 under fire", rounds(2, 500), 32, beset)
}
