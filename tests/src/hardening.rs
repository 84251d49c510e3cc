// SPDX-License-Identifier: GPL-2.0-only

//! A kernel that is hardened as distributions do it: it loads only signed modules, and checks what
//! they do.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::io::Errno;
use unshare_device::Contexts;

use crate::check::ensure;
use crate::device::{Device, unshare};
use crate::harness::Suite;
use crate::kmsg::KernelLog;
use crate::module::{Unloaded, image, is_loaded, load, load_image};
use crate::world::World;

pub(crate) fn suite() -> Suite {
    Suite::new("hardening")
        .sealed("the kernel runs at a random address", moved)
        .sealed("the kernel has verified the module's signature", known)
        .sealed(
            "the module's indirect calls and their targets are checked",
            watched,
        )
        // From here on the order matters, because a lockdown cannot be undone.
        .sealed(
            "under lockdown, an unsigned module does not load, and the log says why",
            locked,
        )
        .sealed(
            "a module that was changed after signing does not load",
            changed,
        )
        .sealed(
            "with enforced signatures, a module that was changed does not load",
            enforced,
        )
        .sealed(
            "under confidentiality lockdown, requests work",
            confidential,
        )
}

/// Checks the flag that the kernel sets when it chooses a random address.
fn moved() -> Result<()> {
    const LOADFLAGS: usize = 0x211;
    const KASLR_FLAG: u8 = 1 << 1;
    let parameters = fs::read("/sys/kernel/boot_params/data")?;
    let flags = parameters.get(LOADFLAGS).context("no loadflags")?;
    ensure!(flags & KASLR_FLAG != 0, "loadflags are {flags:#x}");
    Ok(())
}

/// The module taints the kernel only as out of tree.
fn known() -> Result<()> {
    let taint = fs::read_to_string("/sys/module/unshare/taint")?;
    ensure!(taint.trim() == "O", "tainted {taint}");
    Ok(())
}

/// The kernel patches a loaded module so that each indirect call is checked, and so that a function
/// that is no target cannot become one.
fn watched() -> Result<()> {
    for section in [".cfi_sites", ".ibt_endbr_seal", ".retpoline_sites"] {
        let path = Path::new("/sys/module/unshare/sections").join(section);
        ensure!(path.exists(), "no {section}");
    }
    Ok(())
}

const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

fn locked() -> Result<()> {
    let state = fs::read_to_string(LOCKDOWN)?;
    ensure!(state.contains("[integrity]"), "{state}");
    let said = "unsigned module loading is restricted; see man kernel_lockdown.7";
    refused(&unsigned()?, Errno::PERM, said)?;
    refused(&signed_by_another()?, Errno::PERM, said)
}

fn changed() -> Result<()> {
    let mut image = image("unshare")?;
    let byte = image.get_mut(0x1000).context("a small module")?;
    *byte = !*byte;
    refused(&image, Errno::KEYREJECTED, "")
}

fn enforced() -> Result<()> {
    fs::write("/sys/module/module/parameters/sig_enforce", "1")?;
    let said = "Loading of unsigned module is rejected";
    refused(&unsigned()?, Errno::KEYREJECTED, said)?;
    let said = "Loading of module with unavailable key is rejected";
    refused(&signed_by_another()?, Errno::KEYREJECTED, said)?;
    let _back = Unloaded::new()?;
    load("unshare", "")?.context("finit_module")
}

/// Users have no kprobes there. The kprobe of this module is the kernel's own and is never hit.
fn confidential() -> Result<()> {
    let before = Device::open()?.query()?;
    fs::write(LOCKDOWN, "confidentiality")?;
    let state = fs::read_to_string(LOCKDOWN)?;
    ensure!(state.contains("[confidentiality]"), "{state}");
    let _back = Unloaded::new()?;
    load("unshare", "")?.context("finit_module")?;
    let after = Device::open()?.query()?;
    ensure!(after == before, "{after:?} instead of {before:?}");
    World::sharing(Contexts::FS)?.replaces(unshare(Contexts::FS), Contexts::FS, &["kcmp/fs"])
}

/// The kernel does not load this image, and logs `said`, if that is not empty.
fn refused(image: &[u8], errno: Errno, said: &str) -> Result<()> {
    let _back = Unloaded::new()?;
    let mut log = KernelLog::from_now()?;
    let loaded = load_image(image);
    let lines = log.lines()?;
    ensure!(loaded == Err(errno) && !is_loaded(), "{loaded:?}");
    let lines = lines.join("\n");
    ensure!(
        lines.contains(said) && lines.is_empty() == said.is_empty(),
        "the kernel logged {lines:?}"
    );
    Ok(())
}

/// The end of a signed module.
const MARKER: &[u8] = b"~Module signature appended~\n";
/// The size of the information before the marker. Its last four bytes are the size of the signature
/// before it.
const INFORMATION: usize = 12;

/// Returns the module, and its signature with everything that follows.
fn parts() -> Result<(Vec<u8>, Vec<u8>)> {
    let mut module = image("unshare")?;
    let rest = module.strip_suffix(MARKER).context("not signed")?;
    let len = rest.last_chunk().context("no length")?;
    let len: usize = u32::from_be_bytes(*len).try_into()?;
    let end = rest.len().checked_sub(INFORMATION + len);
    let signature = module.split_off(end.context("no signature")?);
    Ok((module, signature))
}

fn unsigned() -> Result<Vec<u8>> {
    Ok(parts()?.0)
}

/// The module as if signed with a key that the kernel does not have: the signature names another
/// key.
fn signed_by_another() -> Result<Vec<u8>> {
    const NAME: &[u8] = b"autogenerated kernel key";
    let (mut module, mut signature) = parts()?;
    let mut names = signature.windows(NAME.len());
    let name = names.position(|bytes| bytes == NAME);
    signature[name.context("the key's name is another")?] = b'A';
    module.append(&mut signature);
    Ok(module)
}
