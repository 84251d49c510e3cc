// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_VM`: the address space.

use std::cell::Cell;

use anyhow::Result;
use rustix::mm::{MapFlags, munmap};
use unshare_device::Contexts;

use crate::check::ensure;
use crate::device::unshare;
use crate::harness::Suite;
use crate::mailbox::Mapping;
use crate::memory::{PAGE, is_mapped, marked, name, peek, poke, read, unmarked, write};
use crate::world::World;

pub(crate) const VM: Contexts = Contexts::VM;
pub(crate) const SIGHAND: Contexts = Contexts::SIGHAND;

pub(crate) fn suite() -> Suite {
    Suite::new("vm")
        .test("the sharer does not see what the caller writes", own_write)
        .test(
            "the caller does not see what the sharer writes",
            others_write,
        )
        .test(
            "a MAP_SHARED mapping stays shared, in both directions",
            map_shared,
        )
        .test("the copy has every page at the same address", every_page)
        .test("the sharer keeps what the caller unmaps", own_unmap)
        .test(
            "the caller does not get what the sharer maps later",
            others_map,
        )
        .test(
            "the copy has the thread-local storage, and the caller's change stays private",
            tls,
        )
        .test("the caller's heap grows apart from the sharer's", heap)
        .test("the caller's stack can grow", stack)
}

/// A world in which the caller shares its memory, but not its handlers.
pub(super) fn world() -> Result<World> {
    World::sharing(VM)
}

pub(crate) fn leave(world: &World) -> Result<()> {
    world.replaces(unshare(VM), VM, &["kcmp/vm"])
}

fn own_write() -> Result<()> {
    let page = marked(1, 1, MapFlags::PRIVATE)?;
    let world = world()?;
    write(page.start(), 2);
    let at = name(page.start());
    ensure!(world.sharer.ask(peek, &at)? == "2", "not shared before");
    leave(&world)?;
    ensure!(read(page.start()) == 2);
    write(page.start(), 3);
    ensure!(world.sharer.ask(peek, &at)? == "2");
    Ok(())
}

fn others_write() -> Result<()> {
    let page = marked(1, 1, MapFlags::PRIVATE)?;
    let world = world()?;
    leave(&world)?;
    let at = name(page.start());
    world.sharer.ask(poke, &format!("{at} 9"))?;
    ensure!(world.sharer.ask(peek, &at)? == "9");
    ensure!(read(page.start()) == 1);
    Ok(())
}

fn map_shared() -> Result<()> {
    let page = marked(1, 1, MapFlags::SHARED)?;
    let world = world()?;
    leave(&world)?;
    let at = name(page.start());
    write(page.start(), 5);
    ensure!(world.sharer.ask(peek, &at)? == "5");
    world.sharer.ask(poke, &format!("{at} 6"))?;
    ensure!(read(page.start()) == 6);
    Ok(())
}

fn every_page() -> Result<()> {
    let pages = marked(2048, 7, MapFlags::PRIVATE)?;
    let world = world()?;
    leave(&world)?;
    ensure!(unmarked(&pages, 7) == 0);
    Ok(())
}

fn own_unmap() -> Result<()> {
    let page = std::mem::ManuallyDrop::new(marked(1, 1, MapFlags::PRIVATE)?);
    let world = world()?;
    leave(&world)?;
    // SAFETY: The mapping is not used in this task any more, nor dropped.
    unsafe { munmap(page.start(), PAGE)? };
    ensure!(!is_mapped(page.start()));
    ensure!(world.sharer.ask(peek, &name(page.start()))? == "1");
    Ok(())
}

/// A [`Question`](crate::sharer::Question): adds a mapping that stays.
fn map(_: &str) -> Result<String> {
    let page = std::mem::ManuallyDrop::new(Mapping::new(PAGE, MapFlags::PRIVATE)?);
    Ok(name(page.start()))
}

fn others_map() -> Result<()> {
    let world = world()?;
    let before = world.sharer.ask(map, "")?;
    leave(&world)?;
    let after = world.sharer.ask(map, "")?;
    let [before, after] = [before.parse()?, after.parse()?].map(std::ptr::without_provenance_mut);
    ensure!(is_mapped(before), "not shared before");
    ensure!(!is_mapped(after));
    Ok(())
}

thread_local! {
    static OWN: Cell<u64> = const { Cell::new(0) };
}

fn own(_: &str) -> Result<String> {
    Ok(OWN.get().to_string())
}

fn tls() -> Result<()> {
    OWN.set(4);
    let world = world()?;
    leave(&world)?;
    ensure!(OWN.get() == 4);
    OWN.set(5);
    // The sharer keeps the thread-local storage with which it was created: that of this thread.
    ensure!(world.sharer.ask(own, "")? == "4");
    Ok(())
}

fn program_break() -> usize {
    // SAFETY: Asks where it is.
    unsafe { libc::sbrk(0).addr() }
}

fn heap() -> Result<()> {
    let world = world()?;
    let old = program_break();
    leave(&world)?;
    ensure!(program_break() == old);
    // SAFETY: What is added belongs to nobody else.
    let start = unsafe { libc::sbrk(isize::try_from(64 * PAGE)?) };
    ensure!(start.addr() == old, "{start:?}, not {old:#x}");
    for page in 0..64 {
        write(start.wrapping_byte_add(page * PAGE), 1);
    }
    let at_sharer = world.sharer.ask(|_| Ok(program_break().to_string()), "")?;
    // The C library remembers the break of the old address space, whose heap did not grow.
    ensure!(at_sharer == old.to_string());
    Ok(())
}

/// Recurses, with 16 KiB of stack for each level.
#[inline(never)]
fn deep(levels: u64) -> u64 {
    let frame = std::hint::black_box([levels; 2048]);
    match levels {
        0 => 0,
        _ => deep(levels - 1) + frame[1000] - levels + 1,
    }
}

fn stack() -> Result<()> {
    let world = world()?;
    leave(&world)?;
    ensure!(deep(100) == 100);
    Ok(())
}

/// A [`Question`](crate::sharer::Question): leaves the address space, and returns what was
/// replaced.
pub(crate) fn unshare_vm(_: &str) -> Result<String> {
    let reply = crate::device::Device::open()?.commit(unshare(VM));
    ensure!(reply.errno.is_none(), "{reply:?}");
    Ok(reply.replaced.to_string())
}
