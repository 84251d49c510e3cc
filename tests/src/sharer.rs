// SPDX-License-Identifier: GPL-2.0-only

//! A task that shares chosen contexts with the caller and answers questions about what it sees.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::mm::MapFlags;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};
use unshare_device::Contexts;

use crate::check::bail;
use crate::child::reap;
use crate::device::checked;
use crate::mailbox::{Mailbox, Mapping, Page};

/// A question for a sharer: a function that takes the argument and returns the answer. It is a
/// plain function because it runs in another task, in which a closure of the asking task may not
/// exist.
///
/// A sharer of the asking task's memory also has its heap and thread-local storage. If the asking
/// task continues meanwhile, the question must not allocate, nor wait or answer by means that do.
pub(crate) type Question = fn(&str) -> Result<String>;

const ASKED: u32 = 1;
const ANSWERED: u32 = 2;
const COULD_NOT: u32 = 3;
const END: u32 = 4;

const STACK: usize = 1 << 20;

/// Ended and reaped when dropped, before its stack is unmapped.
pub(crate) struct Sharer {
    pub(crate) pid: Pid,
    mailbox: Mailbox,
    reaped: bool,
    _stack: Mapping,
}

impl Sharer {
    /// Starts a task by clone(2) that shares only `contexts` with the caller.
    pub(crate) fn new(contexts: Contexts) -> Result<Self> {
        let mailbox = Mailbox::new()?;
        let stack = Mapping::new(STACK, MapFlags::PRIVATE)?;
        let page: *const Page = mailbox.page();
        let flags = i32::try_from(contexts.bits())? | libc::SIGCHLD;
        // SAFETY: Only the new task uses the stack, even in a shared address space. The stack and
        // the page outlive the task: `drop` reaps first. While one of the two tasks works, the
        // other sleeps in a futex, so they can share this thread's storage.
        let pid =
            checked(unsafe { libc::clone(serve, stack.end(), flags, page.cast_mut().cast()) });
        Ok(Self {
            pid: Pid::from_raw(pid.context("clone")?).context("clone gave no pid")?,
            mailbox,
            reaped: false,
            _stack: stack,
        })
    }

    /// Asks the sharer a question, and waits for the answer.
    pub(crate) fn ask(&self, question: Question, arg: &str) -> Result<String> {
        self.begin(question, arg);
        self.answer()
    }

    /// Asks the sharer a question without waiting.
    pub(crate) fn begin(&self, question: Question, arg: &str) {
        let page = self.mailbox.page();
        page.word.store(question as usize, Relaxed);
        page.post(ASKED, arg);
    }

    /// Waits for the answer to the last question.
    pub(crate) fn answer(&self) -> Result<String> {
        let page = self.mailbox.page();
        match self.wait() {
            Some(ANSWERED) => Ok(page.text()),
            Some(_) => bail!("sharer: {}", page.text()),
            None => bail!("the sharer does not answer"),
        }
    }

    /// Waits until the sharer has an answer. Allocates nothing.
    pub(crate) fn wait(&self) -> Option<u32> {
        let page = self.mailbox.page();
        page.wait(&[ANSWERED, COULD_NOT], Duration::from_secs(20))
    }

    /// Waits for the answer to a question of a task that was killed meanwhile.
    pub(crate) fn settle(&self) {
        if self.mailbox.page().state() == ASKED {
            self.wait();
        }
    }

    /// Whether the sharer already has an answer.
    pub(crate) fn is_through(&self) -> bool {
        [ANSWERED, COULD_NOT].contains(&self.mailbox.page().state())
    }

    /// Ends the task, whatever it does. Returns the error of the last question, if any.
    pub(crate) fn interrupt(mut self) -> Option<String> {
        let _ = kill_process(self.pid, Signal::KILL);
        self.reaped = waitpid(Some(self.pid), WaitOptions::empty()).is_ok();
        let page = self.mailbox.page();
        (page.state() == COULD_NOT).then(|| page.text())
    }

    /// Waits until another task has ended the sharer.
    pub(crate) fn end(mut self, limit: Duration) -> Result<WaitStatus> {
        let status = reap(self.pid, limit)?;
        self.reaped = true;
        Ok(status)
    }
}

impl Drop for Sharer {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        // A task that has become an unprivileged user cannot kill a sharer of root.
        self.mailbox.page().post(END, "");
        let _ = kill_process(self.pid, Signal::KILL);
        let _ = waitpid(Some(self.pid), WaitOptions::empty());
    }
}

/// The main loop of a sharer.
extern "C" fn serve(page: *mut libc::c_void) -> i32 {
    // SAFETY: `new` passed a page that outlives this task.
    let page = unsafe { &*page.cast::<Page>() };
    loop {
        if page.wait(&[ASKED, END], Duration::from_secs(3600)) != Some(ASKED) {
            return 0;
        }
        let question = page.word.load(Relaxed) as *const ();
        // SAFETY: `ask` stored a `Question`; this task runs the same program at the same addresses.
        let question = unsafe { std::mem::transmute::<*const (), Question>(question) };
        match page.with_text(question) {
            Ok(answer) => page.post(ANSWERED, &answer),
            Err(error) => page.post(COULD_NOT, &format!("{error:#}")),
        }
    }
}
