// SPDX-License-Identifier: GPL-2.0-only

//! The commands where they are started in an unusual state, and what they say where that keeps them
//! from their work.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Result;
use rustix::mount::{MountFlags, mount};

use super::container::Container;
use super::setup::{before_exec, block, checked, deny, limit};
use super::{FAILED, command, exits};
use crate::check::ensure;
use crate::contexts::mount::{folder, stage};
use crate::harness::Suite;
use crate::machine::{OpenToAll, Setting};
use crate::module;

pub(crate) fn suite() -> Suite {
    Suite::new("tool_conditions")
        .test(
            "the commands run with standard input, output and error closed",
            closed,
        )
        .test(
            "the commands run with umask 777 and without a working directory",
            bare,
        )
        .test("the commands run with every signal blocked", blocked)
        .test("the commands run with no_new_privs set", no_new_privileges)
        .test(
            "the commands run without a name, and with words that are not UTF-8",
            words,
        )
        .test(
            "without room for a descriptor, the message names the limit",
            no_descriptors,
        )
        .test(
            "under a seccomp filter that denies ioctl(2), the message says so",
            filtered,
        )
        .test(
            "without the module, the message says how to load it",
            no_module,
        )
        .test(
            "without the module, which is installed, the message says how to load it",
            installed_module,
        )
        .test(
            "a refused user namespace: the message names the sysctl",
            no_users,
        )
}

/// Lines that end with status 42.
fn lines() -> Result<(Container, Vec<String>)> {
    let container = Container::new("--mount --pid --fork")?;
    let lines = [
        "unshare-run --uts".to_owned(),
        "unshare-run --uts --fork".to_owned(),
        format!("unshare-run --attach {}", container.pid),
        format!("scratch-copy {}", container.pid),
        "private-tmp --user alice".to_owned(),
    ];
    let lines = lines.map(|line| format!("{line} -- sh -c exit 42"));
    Ok((container, lines.into()))
}

fn each(give: impl Fn(&mut Command) -> Result<()>) -> Result<()> {
    stage()?;
    let (_container, lines) = lines()?;
    for line in lines {
        let mut command = command(&line);
        give(&mut command)?;
        let status = command.status()?;
        ensure!(status.code() == Some(42), "{line}: {status}");
    }
    Ok(())
}

fn closed() -> Result<()> {
    each(|command| {
        // SAFETY: Nothing in the child uses them.
        before_exec(command, || checked(unsafe { libc::close_range(0, 2, 0) }));
        Ok(())
    })
}

fn bare() -> Result<()> {
    let gone = folder("conditions-gone")?;
    each(move |command| {
        fs::create_dir_all(&gone)?;
        let gone = gone.clone();
        before_exec(command, move || {
            // SAFETY: It takes a number.
            unsafe { libc::umask(0o777) };
            std::env::set_current_dir(&gone)?;
            fs::remove_dir(&gone)
        });
        Ok(())
    })
}

fn blocked() -> Result<()> {
    each(|command| {
        before_exec(command, || (1..32).try_for_each(block));
        Ok(())
    })
}

fn no_new_privileges() -> Result<()> {
    each(|command| {
        before_exec(command, || {
            // SAFETY: It takes numbers.
            checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
        });
        Ok(())
    })
}

fn words() -> Result<()> {
    each(|command| {
        command.arg0("").arg(OsStr::from_bytes(b"\xff\xfe"));
        command
            .env("LC_ALL", "C")
            .env(OsStr::from_bytes(b"\xff"), OsStr::from_bytes(b"\xfe"));
        Ok(())
    })?;
    // Without any word, the kernel makes an empty one.
    let mut nameless = command("/bin/unshare-run");
    before_exec(&mut nameless, || {
        let none = [std::ptr::null()];
        // SAFETY: Both lists end.
        checked(unsafe { libc::execve(c"/bin/unshare-run".as_ptr(), none.as_ptr(), none.as_ptr()) })
    });
    exits(nameless, 0).map(drop)
}

fn no_descriptors() -> Result<()> {
    stage()?;
    let (_container, lines) = lines()?;
    for line in lines {
        let mut started = command(&line);
        before_exec(&mut started, || limit(libc::RLIMIT_NOFILE, 3));
        let said = exits(started, FAILED)?;
        ensure!(said.contains("ulimit -n"), "{line}: {said}");
    }
    Ok(())
}

fn filtered() -> Result<()> {
    let mut started = command("unshare-run --uts -- true");
    before_exec(&mut started, || deny(libc::SYS_ioctl));
    let said = exits(started, FAILED)?;
    ensure!(said.contains("seccomp filter"), "{said}");
    Ok(())
}

fn no_module() -> Result<()> {
    let unloaded = module::Unloaded::new()?;
    let said = exits(command("unshare-run --uts -- true"), FAILED)?;
    drop(unloaded);
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    for words in ["/dev/unshare", "not loaded", "modprobe unshare", &release] {
        ensure!(said.contains(words), "{words}: {said}");
    }
    Ok(())
}

fn installed_module() -> Result<()> {
    stage()?;
    mount(
        c"tmpfs",
        "/lib/modules",
        c"tmpfs",
        MountFlags::empty(),
        None,
    )?;
    let release = rustix::system::uname();
    let folder = format!("/lib/modules/{}", release.release().to_string_lossy());
    fs::create_dir_all(&folder)?;
    fs::write(
        format!("{folder}/modules.dep"),
        "updates/dkms/unshare.ko:\n",
    )?;
    let unloaded = module::Unloaded::new()?;
    let said = exits(command("unshare-run --uts -- true"), FAILED)?;
    drop(unloaded);
    ensure!(
        said.ends_with("the module is not loaded: run modprobe unshare, as root\n"),
        "{said}"
    );
    Ok(())
}

fn no_users() -> Result<()> {
    let _limit = Setting::sysctl("user/max_user_namespaces", "0")?;
    let _open = OpenToAll::new()?;
    let said = exits(command("unshare-run --user --dry-run"), FAILED)?;
    ensure!(
        said.contains("CLONE_NEWUSER") && said.contains("user.max_user_namespaces"),
        "{said}"
    );
    drop(_limit);
    let _denied = Setting::sysctl("kernel/unprivileged_userns_clone", "0")?;
    let mut as_alice = command("unshare-run --user -- true");
    as_alice.uid(1000).gid(1000);
    let said = exits(as_alice, FAILED)?;
    ensure!(
        said.contains("kernel.unprivileged_userns_clone is 0"),
        "{said}"
    );
    Ok(())
}
