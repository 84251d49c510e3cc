// SPDX-License-Identifier: GPL-2.0-only

//! The same request by many tasks, on one processor, and on two at the same time.
//!
//! The clock that counts instructions cannot measure this, because its processors take turns. So
//! this measures time per call and processor, including the switch from one task to the next.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use unshare_device::Contexts;

use super::attach::{FIVE, THREE, setns, target};
use super::plan::{Plan, Way};
use super::scene::{commit, settle, unshare};
use crate::attach::target::attach;
use crate::barrier::{Barrier, meet};
use crate::child::{Child, in_child};
use crate::contexts::vm_leaving::run_on;
use crate::device;
use crate::sharer::{Question, Sharer};

/// How many tasks make the request on each processor.
const MEMBERS: u32 = 50;

const FS_FILES: Contexts = Contexts::FS.union(Contexts::FILES);

pub(super) fn plans() -> Vec<Plan> {
    [(1, "one processor"), (2, "two processors at once")]
        .into_iter()
        .flat_map(|(processors, where_)| {
            let way = move |contexts, work| way(processors, contexts, work);
            let simple = Plan::new(
                format!("fs and files, on {where_}"),
                way(FS_FILES, our_fs_files),
            )
            .against("unshare", way(FS_FILES, their_fs_files));
            let alone = Contexts::empty();
            let both = Plan::new(
                format!("attach 5, unshare 3, on {where_}"),
                way(alone, our_attach),
            )
            .against("setns, unshare", way(alone, their_attach));
            [simple, both]
        })
        .collect()
}

/// Makes tasks on each processor, which share `contexts` with each other, make a request as soon as
/// all are ready. Returns the time that one request takes on the slowest processor.
fn way(processors: u32, contexts: Contexts, work: Question) -> Way {
    Box::new(move || {
        let cost = in_child(|| {
            // Opened in every case, so that the numbers of descriptors are the same in each task.
            let target = target(FIVE)?;
            let (ready, done) = (Barrier::new()?, Barrier::new()?);
            let (members, leaders) = (MEMBERS * processors, processors);
            let party = format!(
                "{} {members} {} {} {}",
                ready.name(),
                done.name(),
                members + leaders,
                target.as_fd().as_raw_fd()
            );
            let crowds = (0..processors).map(|processor| {
                let everybody = usize::try_from(members + leaders)?;
                Child::spawn(|| {
                    run_on(usize::try_from(processor)?)?;
                    settle()?;
                    lead(contexts, work, &party, || done.come(everybody))
                })
            });
            let crowds = crowds.collect::<Result<Vec<_>>>()?;
            let took = crowds.into_iter().map(|crowd| {
                let took = crowd.report(Duration::from_secs(60))?;
                Ok(took.parse::<u64>()?)
            });
            let took = took.collect::<Result<Vec<_>>>()?;
            let slowest = took.into_iter().max().context("nobody")?;
            Ok(slowest.to_string())
        })?;
        Ok(cost.parse()?)
    })
}

/// Starts the tasks of one processor, and returns the time of one of their requests.
fn lead(
    contexts: Contexts,
    work: Question,
    party: &str,
    wait: impl FnOnce() -> Result<()>,
) -> Result<String> {
    let members = (0..MEMBERS).map(|_| Sharer::new(contexts));
    let members = members.collect::<Result<Vec<_>>>()?;
    for member in &members {
        member.begin(work, party);
    }
    wait()?;
    let (mut begun, mut ended) = (u64::MAX, 0);
    for member in &members {
        let answer = member.answer()?;
        let (begin, end) = answer.split_once(' ').context("begin and end, please")?;
        begun = begun.min(begin.parse()?);
        ended = ended.max(end.parse()?);
    }
    Ok(((ended - begun) / u64::from(MEMBERS)).to_string())
}

fn our_fs_files(party: &str) -> Result<String> {
    take_part(party, |_| commit(&mut device::unshare(FS_FILES)))
}

fn their_fs_files(party: &str) -> Result<String> {
    take_part(party, |_| unshare(FS_FILES))
}

fn our_attach(party: &str) -> Result<String> {
    take_part(party, |pidfd| commit(&mut attach(&pidfd, FIVE, THREE)))
}

fn their_attach(party: &str) -> Result<String> {
    take_part(party, |pidfd| {
        setns(pidfd, FIVE).and_then(|()| unshare(THREE))
    })
}

/// Makes a request when all tasks are ready. Returns when it began and ended.
fn take_part(
    party: &str,
    request: impl FnOnce(BorrowedFd<'_>) -> Result<(), Errno>,
) -> Result<String> {
    let mut words = party.split(' ');
    let mut number = || -> Result<usize> { Ok(words.next().context("too few")?.parse()?) };
    let (ready, members) = (number()?, number()?.try_into()?);
    let (done, everybody) = (number()?, number()?.try_into()?);
    // SAFETY: The task has inherited it, and nothing closes it.
    let pidfd = unsafe { BorrowedFd::borrow_raw(number()?.try_into()?) };
    // SAFETY: Both barriers live until this task's leader has its answer.
    unsafe { meet(ready, members) };
    let begun = now();
    let outcome = request(pidfd);
    let ended = now();
    // SAFETY: As above.
    unsafe { meet(done, everybody) };
    outcome?;
    Ok(format!("{begun} {ended}"))
}

/// The time since the boot, in nanoseconds.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
