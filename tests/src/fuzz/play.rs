// SPDX-License-Identifier: GPL-2.0-only

//! Plays a [`Scene`] in a separate process, and checks what each call has changed.

use std::fmt::Write;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpid, kill_process};

use super::call::{Call, Pidfd};
use super::edges::Trace;
use super::ground::Ground;
use super::scene::{Beside, Cast, End, Scene};
use super::verdict::{Answer, ensure_just};
use crate::attach::target::{Target, own_pidfd};
use crate::barrier::{Barrier, meet};
use crate::check::ensure;
use crate::child::{Child, Skip};
use crate::contexts::files::fill;
use crate::device::ioctl;
use crate::injection::Injection;
use crate::tally::{Tried, tried};
use crate::world::{Witness, World};

const SOON: Duration = Duration::from_secs(20);

/// Plays an input: see [`Stage::play`](super::Stage::play).
pub(crate) fn play(input: &[u8], trace: Option<&Trace>) -> Result<String> {
    let scene = Scene::decode(input)?;
    tried(Tried::Input);
    if !matches!(scene.beside, Beside::Nothing) {
        tried(Tried::Race);
    }
    let player = Child::spawn(|| act(&scene, trace))?;
    let end = match scene.beside {
        Beside::KillsCaller(_) => {
            let end = player.report_unless_killed(SOON);
            Witness::settle();
            end
        }
        _ => player.report(SOON).map(Some),
    };
    match end {
        // Some kernels lack what a situation needs.
        Err(error) if error.is::<Skip>() => Ok("skipped".to_owned()),
        end => {
            let end = end.with_context(|| format!("{scene:?}"))?;
            Ok(end.unwrap_or("killed".to_owned()))
        }
    }
}

/// The outcome of the first call.
struct First {
    errno: Option<Errno>,
    /// Whether only the caller changed its contexts.
    alone: bool,
    lacked: bool,
}

/// The caller, and what it needs.
struct Player<'a> {
    scene: &'a Scene,
    ground: Ground,
    barrier: Barrier,
    injection: Option<(Injection, usize)>,
    target: Option<Target>,
    own: OwnedFd,
}

fn act(scene: &Scene, trace: Option<&Trace>) -> Result<String> {
    // On a kernel without fault injection, nothing fails.
    let injection = scene
        .fault
        .and_then(|nth| Some((Injection::of_this_thread().ok()?, nth)));
    let player = Player {
        scene,
        ground: Ground::new()?,
        barrier: Barrier::new()?,
        injection,
        target: scene.target.as_ref().map(make).transpose()?,
        own: own_pidfd()?,
    };
    let mut world = World::sharing(scene.shared)?;
    fill(&File::open("/proc/version")?, scene.descriptors)?;
    let _killer = player.killer()?;
    (scene.situation.within)(&mut world, &mut |world| {
        if let Some(trace) = trace {
            trace.begin()?;
        }
        player.make_calls(world)
    })
}

fn make(cast: &Cast) -> Result<Target> {
    let target = Target::new(cast.kinds)?;
    match cast.end {
        End::Lives => Ok(target),
        End::Zombie => target.zombie(),
        End::Gone => target.zombie()?.ended(),
    }
}

impl Player<'_> {
    /// Returns the task to kill, and how long after the start of the call.
    fn victim(&self) -> Option<(Pid, Duration)> {
        match (&self.scene.beside, &self.target) {
            (Beside::KillsCaller(delay), _) => Some((getpid(), *delay)),
            (Beside::KillsTarget(delay), Some(target)) => Some((target.pid().ok()?, *delay)),
            _ => None,
        }
    }

    fn killer(&self) -> Result<Option<Child>> {
        let kill_at = |(victim, delay)| {
            Child::spawn(move || {
                self.barrier.come(2)?;
                sleep(delay);
                let _ = kill_process(victim, Signal::KILL);
                Ok(String::new())
            })
        };
        self.victim().map(kill_at).transpose()
    }

    fn make_calls(&self, world: &World) -> Result<String> {
        let mut said = String::new();
        let look = || Ok::<_, anyhow::Error>([world.snapshot()?, world.snapshot_of_sharer()?]);
        let mut before = look()?;
        for (number, call) in self.scene.calls.iter().enumerate() {
            let (bytes, asked) = call.bytes(self.pidfd(call, world));
            let address = self.ground.lay(call.place, &bytes);
            let request = || ioctl(world.device.number(), call.number, address);
            let First {
                errno,
                alone,
                lacked,
            } = match number {
                0 => self.first(world, request)?,
                _ => First {
                    errno: request(),
                    alone: true,
                    lacked: false,
                },
            };
            let answer = Answer {
                number: call.number,
                asked,
                errno,
                lacked,
                late: self.may_be_late(call),
                args: self.ground.args(call.place, address),
            };
            let after = look().with_context(|| format!("after call {number}: {answer:?}"))?;
            if alone {
                ensure_just(&answer, &before, &after)
                    .map_err(|error| error.context(format!("call {number}: {answer:?}")))?;
            }
            write!(said, "{answer} ")?;
            before = after;
        }
        Ok(said)
    }

    /// Whether the target of the call may have ended. A wrong number may refer to any task.
    fn may_be_late(&self, call: &Call) -> bool {
        match (call.pidfd, &self.scene.target) {
            (Pidfd::Target, Some(cast)) => {
                cast.end != End::Lives || matches!(self.scene.beside, Beside::KillsTarget(_))
            }
            (Pidfd::Number(_), _) => true,
            _ => false,
        }
    }

    /// Makes the first call, and runs the scene's other events at the same time.
    fn first(&self, world: &World, call: impl Fn() -> Option<Errno>) -> Result<First> {
        let mut alone = true;
        if let Beside::Calls(call) = &self.scene.beside {
            alone = false;
            let bytes = call.bytes(self.pidfd(call, world)).0;
            let address = self.ground.lay_beside(&bytes);
            let [fd, number] = [i64::from(world.device.number()), call.number.into()];
            let arg = format!("{fd} {number} {} {}", address.addr(), self.barrier.name());
            world.sharer.begin(call_beside, &arg);
        }
        if !alone || self.victim().is_some() {
            self.barrier.come(2)?;
        }
        if let Some((injection, nth)) = &self.injection {
            injection.arm(*nth)?;
        }
        let errno = call();
        let lacked = match &self.injection {
            Some((injection, _)) => injection.disarm()? == "0",
            None => false,
        };
        if lacked {
            tried(Tried::Fault);
        }
        if !alone {
            world.sharer.answer()?;
        }
        Ok(First {
            errno,
            alone,
            lacked,
        })
    }

    fn pidfd(&self, call: &Call, world: &World) -> i32 {
        match (call.pidfd, &self.target) {
            (Pidfd::Target, Some(target)) => target.as_fd().as_raw_fd(),
            (Pidfd::Target, None) | (Pidfd::Own, _) => self.own.as_raw_fd(),
            (Pidfd::Device, _) => world.device.number(),
            (Pidfd::Number(number), _) => number,
        }
    }
}

/// A [`Question`](crate::sharer::Question): makes a call at the same time as the asking task.
/// `arg`: the descriptor, the ioctl's number, the address of the struct, and that of the barrier.
fn call_beside(arg: &str) -> Result<String> {
    let mut words = arg.split(' ').map(str::parse::<usize>);
    let mut number = || words.next().unwrap_or(Ok(0));
    let (fd, request, address, barrier) = (number()?, number()?, number()?, number()?);
    ensure!(barrier != 0, "too few numbers");
    // SAFETY: The asking task keeps it until this is answered.
    unsafe { meet(barrier, 2) };
    let address = std::ptr::without_provenance_mut(address);
    ioctl(fd.try_into()?, request.try_into()?, address);
    Ok(String::new())
}
