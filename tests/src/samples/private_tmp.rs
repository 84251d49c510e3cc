// SPDX-License-Identifier: GPL-2.0-only

//! `private-tmp`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, mount};

use crate::check::ensure;
use crate::contexts::mount::stage;
use crate::harness::Suite;
use crate::tools::{FAILED, command, exits, output, prints};

pub(crate) fn suite() -> Suite {
    Suite::new("private_tmp")
        .test("two users do not see each other's files", two_users)
        .test("the session is the user's", session)
        .test("a user gets no session of another user", setuid)
        .test("a user cannot plant an instance", planted)
        .test(
            "nothing but the mounts is done as root: no script, no PAM, no other directory",
            gone,
        )
        .test("the caller's umask does not reach the instance", umask)
        .test(
            "where /var/tmp is a link to /tmp, both are the instance",
            link,
        )
        .test(
            "two sessions of a user share the instance until the last ends",
            shared,
        )
        .test(
            "who changes user in a session stays in its /tmp; root's own /tmp is the common one",
            change_of_user,
        )
}

/// Mounts that end with the test, and so do instances.
fn scene() -> Result<()> {
    stage()?;
    for folder in ["/run", "/var/lib", "/var/tmp"] {
        mount(
            c"tmpfs",
            folder,
            c"tmpfs",
            MountFlags::empty(),
            Some(c"mode=755"),
        )?;
    }
    Ok(fs::set_permissions(
        "/var/tmp",
        fs::Permissions::from_mode(0o1777),
    )?)
}

fn two_users() -> Result<()> {
    scene()?;
    for tmp in ["/tmp", "/var/tmp"] {
        let secret = format!("{tmp}/unshare-tests-secret");
        output(&format!(
            "private-tmp --user alice -- sh -c echo mine >{secret}"
        ))?;
        prints(
            &format!("private-tmp --user alice -- cat {secret}"),
            "mine\n",
        )?;
        prints(&format!("private-tmp --user bob -- ls {tmp}"), "")?;
        ensure!(!fs::exists(&secret)?, "{secret} is everybody's");
    }
    Ok(())
}

fn session() -> Result<()> {
    scene()?;
    let look = "sh -c id -u; id -G; pwd; echo $HOME $USER $LOGNAME $SHELL";
    let expected = "1001\n1001\n/home/bob\n/home/bob bob bob /bin/sh\n";
    prints(&format!("private-tmp --user bob -- {look}"), expected)?;
    exits(command("private-tmp --user bob -- sh -c exit 42"), 42)?;
    exits(command("private-tmp --user bob -- /nonexistent"), 127)?;
    exits(command("private-tmp --user nobody-here -- true"), FAILED)?;
    let mode = output("private-tmp --user bob -- sh -c stat -c %a:%u /tmp /var/tmp")?;
    ensure!(mode == "1777:0\n1777:0\n", "{mode}");
    Ok(())
}

fn setuid() -> Result<()> {
    scene()?;
    let mut as_alice = command("private-tmp --user bob -- id -u");
    as_alice.uid(1000).gid(1000);
    exits(as_alice, FAILED)?;
    // With the bit, there is a session of the caller, and still none of another user.
    fs::copy("/bin/private-tmp", "/run/private-tmp-setuid")?;
    fs::set_permissions(
        "/run/private-tmp-setuid",
        fs::Permissions::from_mode(0o4755),
    )?;
    let mut own = command("/run/private-tmp-setuid -- sh -c id -u; echo alice >/tmp/whose");
    let own = own.uid(1000).gid(1000).output()?;
    ensure!(own.stdout == b"1000\n", "{own:?}");
    prints("private-tmp --user alice -- cat /tmp/whose", "alice\n")?;
    let mut of_bob = command("/run/private-tmp-setuid --user bob -- id -u");
    of_bob.uid(1000).gid(1000);
    let said = exits(of_bob, FAILED)?;
    ensure!(said.contains("--user is for root"), "{said}");
    Ok(())
}

fn planted() -> Result<()> {
    scene()?;
    let line = "private-tmp --user alice -- true";
    for parent in ["/run/private-tmp", "/var/lib/private-tmp"] {
        let _ = fs::remove_dir_all(parent);
        fs::create_dir(parent)?;
        std::os::unix::fs::chown(parent, Some(1001), Some(1001))?;
        let said = exits(command(line), FAILED)?;
        ensure!(
            said.contains(parent) && said.contains("belongs to user 1001"),
            "{said}"
        );
        std::os::unix::fs::chown(parent, Some(0), Some(0))?;
        // One that is a link to a folder of a user's.
        symlink("/home/bob", format!("{parent}/1000"))?;
        exits(command(line), FAILED)?;
        fs::remove_file(format!("{parent}/1000"))?;
        output(line)?;
        fs::remove_dir_all(parent)?;
    }
    Ok(())
}

fn gone() -> Result<()> {
    scene()?;
    // What the sample had once, and pam_namespace has.
    mount(c"tmpfs", "/etc", c"tmpfs", MountFlags::empty(), None)?;
    fs::write(
        "/etc/passwd",
        "root:x:0:0::/:/bin/sh\nalice:x:1000:1000::/:/bin/sh\n",
    )?;
    fs::write("/etc/group", "root:x:0:\nalice:x:1000:\n")?;
    fs::create_dir("/etc/security")?;
    fs::write(
        "/etc/security/namespace.init",
        "#!/bin/sh\ntouch /run/ran\nexit 1\n",
    )?;
    fs::set_permissions(
        "/etc/security/namespace.init",
        fs::Permissions::from_mode(0o755),
    )?;
    output("private-tmp --user alice -- true")?;
    ensure!(!fs::exists("/run/ran")?, "the script has run");
    for option in [
        "--pam",
        "--config=/dev/null",
        "--ignore-instance-parent-mode",
    ] {
        let said = exits(
            command(&format!("private-tmp --user alice {option} -- true")),
            FAILED,
        )?;
        ensure!(said.contains("unexpected argument"), "{option}: {said}");
    }
    Ok(())
}

fn umask() -> Result<()> {
    scene()?;
    for mask in ["0777", "0000"] {
        let line = format!("umask {mask}; private-tmp --user alice -- sh -c 'umask'");
        let printed = output(&format!("sh -c {line}"))?;
        ensure!(printed.trim() == mask, "{printed}");
        for path in ["/run/private-tmp", "/var/lib/private-tmp"] {
            ensure!(fs::metadata(path)?.mode() & 0o7777 == 0o700, "{path}");
            ensure!(fs::metadata(format!("{path}/1000"))?.mode() & 0o7777 == 0o1777);
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

fn link() -> Result<()> {
    scene()?;
    mount(c"tmpfs", "/var", c"tmpfs", MountFlags::empty(), None)?;
    fs::create_dir("/var/lib")?;
    symlink("/tmp", "/var/tmp")?;
    output("private-tmp --user alice -- sh -c echo mine >/tmp/file")?;
    prints("private-tmp --user alice -- cat /var/tmp/file", "mine\n")?;
    ensure!(
        !fs::exists("/var/lib/private-tmp")?,
        "there are two instances"
    );
    Ok(())
}

fn shared() -> Result<()> {
    scene()?;
    let mut first =
        command("private-tmp --user alice -- sh -c echo here >/tmp/file; read line; cat /tmp/file");
    let mut first = first.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    output(
        "private-tmp --user alice -- sh -c until test -e /tmp/file; do sleep 0.1; done; rm /tmp/file; echo new >/tmp/file",
    )?;
    // The end of the second session takes nothing from the first.
    drop(first.stdin.take());
    let left = first.wait_with_output()?;
    ensure!(left.stdout == b"new\n", "{left:?}");
    Ok(())
}

fn change_of_user() -> Result<()> {
    scene()?;
    output("private-tmp --user alice -- sh -c echo alice >/tmp/whose")?;
    fs::write("/tmp/whose", "everybody\n")?;
    prints("private-tmp --user root -- cat /tmp/whose", "everybody\n")?;
    // Root's shell, and from there Alice's: no new session.
    prints(
        "private-tmp --user root -- su alice -c cat /tmp/whose",
        "everybody\n",
    )?;
    // Root in Alice's session, and from there another user.
    let mut session = command("private-tmp --user alice -- sh -c echo $$; exec sleep 1000");
    let mut session = session.stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    let stdout = session.stdout.as_mut().context("no output")?;
    std::io::BufRead::read_line(&mut std::io::BufReader::with_capacity(1, stdout), &mut line)?;
    let enter = format!("unshare-run --attach {}:mount --", session.id());
    prints(&format!("{enter} cat /tmp/whose"), "alice\n")?;
    prints(&format!("{enter} su bob -c cat /tmp/whose"), "alice\n")?;
    // A new session is the other user's.
    prints(&format!("{enter} private-tmp --user bob -- ls /tmp"), "")?;
    session.kill()?;
    session.wait()?;
    fs::remove_file("/tmp/whose")?;
    Ok(())
}
