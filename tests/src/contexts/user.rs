// SPDX-License-Identifier: GPL-2.0-only

//! `CLONE_NEWUSER`: users, groups and capabilities.

use std::fs;

use anyhow::Result;
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{getgid, getpid, getuid};
use rustix::thread::{
    CapabilitiesSecureBits, capabilities_secure_bits, set_capabilities_secure_bits,
};
use unshare_device::Contexts;

use crate::backend::syscall;
use crate::check::ensure;
use crate::conditions::beside_thread;
use crate::device::unshare;
use crate::harness::Suite;
use crate::machine::Setting;
use crate::questions::{chdir, cwd, set_hostname};
use crate::world::World;

const USER: Contexts = Contexts::USER;
/// The user ID that an unmapped user has.
const NOBODY: u32 = 65534;

pub(crate) fn suite() -> Suite {
    Suite::new("user")
        .test(
            "the caller has the overflow ids until ids are mapped",
            nobody_first,
        )
        .test(
            "the caller has every capability in the new namespace, and none outside",
            capabilities,
        )
        .test("the secure bits are reset", secure_bits)
        .test("a shared fs_struct is replaced too", implies_fs)
        .test("with another thread: EINVAL, CLONE_THREAD", implies_thread)
        .test(
            "with a new mount namespace, inherited mounts are locked",
            locked_mounts,
        )
        .test("33 levels deep: ENOSPC, CLONE_NEWUSER", too_deep)
        .test(
            "above user.max_user_namespaces: ENOSPC, CLONE_NEWUSER",
            limit,
        )
        .test(
            "a caller that shares its address space gets a user namespace",
            shared_vm,
        )
}

/// Maps the caller's own user and group to root.
pub(crate) fn map_root(uid: u32, gid: u32) -> Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    Ok(())
}

fn nobody_first() -> Result<()> {
    let world = World::alone()?;
    world.replaces(unshare(USER), USER, &["ns/user"])?;
    ensure!(getuid().as_raw() == NOBODY && getgid().as_raw() == NOBODY);
    map_root(0, 0)?;
    ensure!(getuid().as_raw() == 0 && getgid().as_raw() == 0);
    Ok(())
}

fn capabilities() -> Result<()> {
    let world = World::alone()?;
    world.replaces(unshare(USER), USER, &["ns/user"])?;
    let last: u32 = fs::read_to_string("/proc/sys/kernel/cap_last_cap")?
        .trim()
        .parse()?;
    let all = format!("{:016x}", (1_u64 << (last + 1)) - 1);
    let after = world.snapshot()?;
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        ensure!(after.get(set)? == all, "{set} is {}", after.get(set)?);
    }
    ensure!(after.get("CapInh")? == after.get("CapAmb")?);
    // The user namespace outside owns the host name ...
    ensure!(set_hostname("not-ours").is_err());
    // ... and the one inside owns a new one.
    world.replaces(unshare(Contexts::UTS), Contexts::UTS, &["ns/uts"])?;
    ensure!(set_hostname("ours")? == "ours");
    Ok(())
}

fn secure_bits() -> Result<()> {
    let world = World::alone()?;
    set_capabilities_secure_bits(CapabilitiesSecureBits::NO_ROOT)?;
    world.replaces(unshare(USER), USER, &["ns/user"])?;
    ensure!(capabilities_secure_bits()?.is_empty());
    Ok(())
}

fn implies_fs() -> Result<()> {
    let world = World::sharing(Contexts::FS)?;
    let points = ["kcmp/fs", "ns/user"];
    world.replaces(unshare(USER), USER | Contexts::FS, &points)?;
    let old = world.sharer.ask(cwd, "")?;
    ensure!(chdir("/proc")? != old);
    ensure!(world.sharer.ask(cwd, "")? == old);
    Ok(())
}

fn implies_thread() -> Result<()> {
    let world = World::alone()?;
    beside_thread(|| world.refuses(unshare(USER), Errno::INVAL, Contexts::THREAD))
}

fn locked_mounts() -> Result<()> {
    let world = World::alone()?;
    let bits = USER | Contexts::MOUNT;
    let points = ["cwd", "ns/mnt", "ns/user", "root"];
    world.replaces(unshare(bits), bits | Contexts::FS, &points)?;
    ensure!(unmount("/proc", UnmountFlags::DETACH) == Err(Errno::INVAL));
    Ok(())
}

fn too_deep() -> Result<()> {
    let world = World::alone()?;
    let mut levels = 0;
    let end = loop {
        match syscall(USER) {
            Ok(()) => map_root(0, 0)?,
            Err(errno) => break errno,
        }
        levels += 1;
    };
    ensure!(end == Errno::NOSPC, "{end:?} after {levels} levels");
    world.refuses(
        unshare(USER | Contexts::FS | Contexts::UTS),
        Errno::NOSPC,
        USER,
    )
}

fn limit() -> Result<()> {
    let world = World::alone()?;
    let limit = Setting::sysctl("user/max_user_namespaces", "0")?;
    world.refuses(unshare(USER), Errno::NOSPC, USER)?;
    drop(limit);
    world.replaces(unshare(USER), USER, &["ns/user"])
}

fn shared_vm() -> Result<()> {
    let world = World::sharing(Contexts::VM)?;
    ensure!(getpid() != world.sharer.pid);
    world.replaces(unshare(USER), USER, &["ns/user"])
}
