// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_SIGHAND`: the signal handlers.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::Result;
use unshare_device::Contexts;

use super::vm::{SIGHAND, VM};
use crate::check::ensure;
use crate::device::{Args, DRY_RUN, checked, unshare};
use crate::harness::Suite;
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("sighand")
        .test("CLONE_SIGHAND alone leaves the address space shared", alone)
        .test("CLONE_SIGHAND with CLONE_VM replaces both", with_vm)
        .test("a private one is not replaced", not_shared)
        .test("a second request replaces nothing", twice)
        .test(
            "the copy has the same handlers, flags and masks",
            comes_along,
        )
        .test(
            "the caller's sigaction(2) does not change the sharer's handlers",
            own_action,
        )
        .test(
            "the sharer's sigaction(2) does not change the caller's handlers",
            others_action,
        )
        .test("an ignored signal stays ignored", ignored)
        .test("a dry run copies no handlers", dry_run)
}

pub(super) fn world() -> Result<World> {
    World::sharing(VM | SIGHAND)
}

fn leave(world: &World) -> Result<()> {
    world.replaces(unshare(SIGHAND), SIGHAND, &["kcmp/sighand"])
}

pub(super) static HANDLED: AtomicU32 = AtomicU32::new(0);

pub(super) extern "C" fn count(_: i32) {
    HANDLED.fetch_add(1, Relaxed);
}

/// Sets the action for a signal.
pub(super) fn action(signal: i32, handler: usize, flags: i32, masked: i32) -> Result<()> {
    // SAFETY: All zeroes are a valid action.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: The set is the action's own; the handlers of these tests touch atomics only.
    unsafe { libc::sigaddset(&raw mut action.sa_mask, masked) };
    // SAFETY: As above.
    checked(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) })?;
    Ok(())
}

/// A [`Question`](crate::sharer::Question): returns every action, as the kernel reports it.
fn actions(_: &str) -> Result<String> {
    let mut text = String::new();
    for signal in 1..=64_i64 {
        let mut action = [0_usize; 4];
        // SAFETY: The kernel's own struct is a handler, flags, a restorer and a mask.
        checked(unsafe {
            let none = ptr::null::<usize>();
            libc::syscall(libc::SYS_rt_sigaction, signal, none, &raw mut action, 8)
        })?;
        text += &format!("{signal} {action:x?}\n");
    }
    Ok(text)
}

/// A [`Question`](crate::sharer::Question): ignores the signal `arg`.
fn ignore(arg: &str) -> Result<String> {
    action(arg.parse()?, libc::SIG_IGN, 0, libc::SIGHUP)?;
    Ok(String::new())
}

fn alone() -> Result<()> {
    let world = world()?;
    leave(&world)?;
    ensure!(world.snapshot()?.get("kcmp/vm")? == "same");
    ensure!(world.device.shared()?.contains(VM));
    Ok(())
}

fn with_vm() -> Result<()> {
    world()?.replaces(
        unshare(VM | SIGHAND),
        VM | SIGHAND,
        &["kcmp/sighand", "kcmp/vm"],
    )
}

fn not_shared() -> Result<()> {
    World::alone()?.replaces(unshare(SIGHAND), Contexts::empty(), &[])?;
    World::sharing(VM)?.replaces(unshare(SIGHAND), Contexts::empty(), &[])
}

fn twice() -> Result<()> {
    let world = world()?;
    leave(&world)?;
    world.replaces(unshare(SIGHAND), Contexts::empty(), &[])
}

/// A different action for each of some signals.
pub(super) fn set_some() -> Result<()> {
    let handler = count as extern "C" fn(i32) as usize;
    action(libc::SIGUSR1, handler, libc::SA_RESTART, libc::SIGUSR2)?;
    action(
        libc::SIGUSR2,
        handler,
        libc::SA_NODEFER | libc::SA_ONSTACK,
        libc::SIGALRM,
    )?;
    action(libc::SIGWINCH, libc::SIG_IGN, 0, libc::SIGHUP)?;
    action(
        libc::SIGRTMAX(),
        handler,
        libc::SA_RESETHAND,
        libc::SIGRTMIN(),
    )
}

fn comes_along() -> Result<()> {
    set_some()?;
    for bits in [SIGHAND, VM | SIGHAND] {
        let world = world()?;
        let old = actions("")?;
        let reply = world.device.commit(unshare(bits));
        world.ensure_replaced(reply, bits)?;
        ensure!(actions("")? == old, "{bits}: the caller's changed");
        ensure!(
            world.sharer.ask(actions, "")? == old,
            "{bits}: the sharer's changed"
        );
    }
    Ok(())
}

fn own_action() -> Result<()> {
    set_some()?;
    let world = world()?;
    leave(&world)?;
    let old = world.sharer.ask(actions, "")?;
    ignore(&libc::SIGUSR1.to_string())?;
    ensure!(actions("")? != old);
    ensure!(world.sharer.ask(actions, "")? == old);
    Ok(())
}

fn others_action() -> Result<()> {
    set_some()?;
    let world = world()?;
    let signal = libc::SIGUSR2.to_string();
    world.sharer.ask(ignore, &signal)?;
    let old = actions("")?;
    ensure!(world.sharer.ask(actions, "")? == old, "not shared before");
    leave(&world)?;
    world.sharer.ask(ignore, &libc::SIGUSR1.to_string())?;
    ensure!(world.sharer.ask(actions, "")? != old);
    ensure!(actions("")? == old);
    // The handler also works: it is the caller's.
    raise(libc::SIGUSR1)?;
    ensure!(HANDLED.load(Relaxed) == 1);
    Ok(())
}

fn ignored() -> Result<()> {
    ignore(&libc::SIGTERM.to_string())?;
    let world = world()?;
    leave(&world)?;
    raise(libc::SIGTERM)
}

/// Sends a signal to this process. raise(3) would use what the C library remembers, which may be a
/// sharer's.
pub(super) fn raise(signal: i32) -> Result<()> {
    // SAFETY: kill(2) takes numbers.
    checked(unsafe { libc::kill(libc::getpid(), signal) })?;
    Ok(())
}

fn dry_run() -> Result<()> {
    let world = world()?;
    let dry = Args {
        options: DRY_RUN,
        ..unshare(SIGHAND)
    };
    let (reply, changed) = world.commit(dry)?;
    ensure!(
        reply.replaced == SIGHAND && changed.is_empty(),
        "{reply:?} {changed:?}"
    );
    Ok(())
}
