// SPDX-License-Identifier: GPL-2.0-only

//! Each context alone, shared with one other task; an empty request; and requests that fail.

use anyhow::Result;
use rustix::io::Errno;
use unshare_device::Contexts;

use super::plan::{Plan, Way, way};
use super::scene::{bare, commit, done, shared, unshare};
use crate::contexts::sysv::{Semaphore, add_one};
use crate::device::{self, Args, QUERY, Query};
use crate::machine::Setting;
use crate::sharer::Sharer;

pub(super) fn plans() -> Vec<Plan> {
    let nothing = Contexts::empty();
    let unknown = Contexts::from_bits_retain(1);
    let mut plans = vec![simple("nothing", nothing, nothing), query()];
    for (name, contexts) in [
        ("fs", Contexts::FS),
        ("fs and files", Contexts::FS | Contexts::FILES),
    ] {
        plans.push(simple(name, contexts, contexts));
    }
    plans.push(sysvsem());
    plans.push(Plan::new(
        "sighand",
        ours(
            shared(Contexts::VM | Contexts::SIGHAND),
            Contexts::SIGHAND,
            Ok(()),
        ),
    ));
    // A task shares its namespaces with all other tasks.
    for (name, contexts) in [
        ("uts", Contexts::UTS),
        ("ipc", Contexts::IPC),
        ("pid", Contexts::PID),
        ("net", Contexts::NET),
        ("cgroup", Contexts::CGROUP),
        ("time", Contexts::TIME),
        ("user", Contexts::USER),
    ] {
        plans.push(simple(name, nothing, contexts));
    }
    plans.push(failing("an unknown bit", bare, unknown, Errno::INVAL));
    plans.push(failing(
        "fs, files and a uts over its limit",
        over_limit,
        Contexts::FS | Contexts::FILES | Contexts::UTS,
        Errno::NOSPC,
    ));
    plans
}

fn simple(name: &str, sharing: Contexts, contexts: Contexts) -> Plan {
    Plan::new(name, ours(shared(sharing), contexts, Ok(())))
        .against("unshare", theirs(shared(sharing), contexts, Ok(())))
}

fn failing<S: 'static>(
    name: &str,
    scene: fn() -> Result<S>,
    contexts: Contexts,
    errno: Errno,
) -> Plan {
    Plan::new(name, ours(scene, contexts, Err(errno)))
        .against("unshare", theirs(scene, contexts, Err(errno)))
}

type Outcome = Result<(), Errno>;

fn ours<S: 'static>(
    scene: impl Fn() -> Result<S> + 'static,
    contexts: Contexts,
    expected: Outcome,
) -> Way {
    let scene = move || Ok((scene()?, device::unshare(contexts)));
    way(scene, move |(_, args): &mut (S, Args)| {
        as_expected(commit(args), expected)
    })
}

fn theirs<S: 'static>(
    scene: impl Fn() -> Result<S> + 'static,
    contexts: Contexts,
    expected: Outcome,
) -> Way {
    way(scene, move |_| as_expected(unshare(contexts), expected))
}

/// Turns an unexpected outcome into an errno that no request returns.
fn as_expected(outcome: Outcome, expected: Outcome) -> Outcome {
    match (outcome, expected) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(errno), Err(wanted)) if errno == wanted => Ok(()),
        (Err(errno), _) => Err(errno),
        (Ok(()), Err(_)) => Err(Errno::NOTRECOVERABLE),
    }
}

fn query() -> Plan {
    let scene = || {
        bare()?;
        Ok(Query::default())
    };
    Plan::new(
        "query",
        way(scene, |query| {
            // SAFETY: It is what QUERY writes.
            done(unsafe { libc::syscall(libc::SYS_ioctl, 0, QUERY, &raw mut *query) })
        }),
    )
}

fn sysvsem() -> Plan {
    let contexts = Contexts::SYSVSEM;
    Plan::new("sysvsem", ours(with_adjustments, contexts, Ok(())))
        .against("unshare", theirs(with_adjustments, contexts, Ok(())))
}

/// Two tasks that share a list of semaphore adjustments.
fn with_adjustments() -> Result<(Sharer, Semaphore)> {
    bare()?;
    let semaphore = Semaphore::new()?;
    semaphore.add_with_undo(1)?;
    let sharer = Sharer::new(Contexts::SYSVSEM)?;
    sharer.ask(add_one, &semaphore.id())?;
    Ok((sharer, semaphore))
}

/// The last context of the request is refused.
fn over_limit() -> Result<(Option<Sharer>, Setting)> {
    let scene = shared(Contexts::FS | Contexts::FILES)()?;
    Ok((scene, Setting::sysctl("user/max_uts_namespaces", "0")?))
}
