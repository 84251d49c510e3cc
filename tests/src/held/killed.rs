// SPDX-License-Identifier: GPL-2.0-only

//! SIGKILL at any instant: nothing is left of a process whose threads were entering, inside, and leaving.

use std::env;
use std::fs::File;
use std::net::UdpSocket;
use std::process;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use rustix::process::{Signal, kill_process};

use super::residue::Residue;
use super::stress::{places, wander};
use super::{ALL, Eye, Held};
use crate::check::ensure;
use crate::child::Child;
use crate::harness::Suite;
use crate::mailbox::{Mailbox, Page};
use crate::scale::{dice, limit, proof};
use crate::tally::{Tried, tried};

/// How many processes are killed: on most kernels, and on those that check everything.
const KILLS: [usize; 2] = [1000, 250];

pub(crate) fn suite() -> Suite {
    Suite::new("held_killed").slow(
        "SIGKILL at a thousand instants: nobody is inside, and no namespace, mount or descriptor is left",
        limit(),
        at_any_instant,
    )
}

/// What a thread was doing when SIGKILL came. A signal that comes during an ioctl ends the thread when the ioctl is
/// done, before it sets the next one.
const DOING: [&str; 4] = ["enters", "is inside", "leaves", "is outside"];

/// Goes there and back for ever, and says what it is doing.
fn come_and_go(held: &Held, page: &Page) -> Result<()> {
    let mut step = 0;
    let mut doing = |what: usize| {
        step += 1;
        page.word.store(step * DOING.len() + what, Relaxed);
    };
    loop {
        doing(0);
        held.enter()?;
        doing(1);
        env::set_current_dir("/")?;
        let _socket = UdpSocket::bind("127.0.0.1:0");
        let _file = File::open("/")?;
        doing(2);
        held.leave()?;
        doing(3);
    }
}

/// Ends the process with an error of one of its threads, which otherwise never end.
fn end_with(outcome: Result<()>) {
    eprintln!("{outcome:?}");
    process::exit(1);
}

fn at_any_instant() -> Result<()> {
    let [fast, slow] = KILLS;
    let kills = proof(fast, slow);
    let mut dice = dice("held_killed");
    let before = Residue::now()?;
    let places = places()?;
    let held = Held::new(ALL)?;
    let mut found = [0; DOING.len()];
    for _ in 0..kills {
        tried(Tried::Race);
        let mailbox = Mailbox::new()?;
        let page = mailbox.page();
        let child = Child::spawn(|| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    end_with(Eye::new().and_then(|eye| wander(&places, &eye, usize::MAX / 2, 0)))
                });
                scope.spawn(|| end_with(come_and_go(&held, page)));
            });
            Ok(String::new())
        })?;
        while page.word.load(Relaxed) == 0 {
            thread::yield_now();
        }
        thread::sleep(Duration::from_micros(dice.u64(0..5_000)));
        kill_process(child.pid, Signal::KILL)?;
        child.killed(Duration::from_secs(20))?;
        found[page.word.load(Relaxed) % DOING.len()] += 1;
        for held in places.iter().map(|(held, _)| held).chain([&held]) {
            ensure!(held.threads()? == 0);
        }
    }
    let each = DOING
        .iter()
        .zip(found)
        .map(|(what, times)| format!("{what} {times}"));
    eprintln!(
        "{kills} killed, while a thread {}",
        each.collect::<Vec<_>>().join(", ")
    );
    ensure!(!found.contains(&0), "{found:?} of {DOING:?}");
    // The contexts are as good as new.
    wander(&places, &Eye::new()?, 16, 0)?;
    drop((places, held));
    before.ensure_none_since()
}
