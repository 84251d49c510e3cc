// SPDX-License-Identifier: GPL-2.0

//! `/dev/unshare`: bytes in, one call, bytes out.

use core::mem::offset_of;
use kernel::{
    fs::{
        file::{
            flags::O_CLOEXEC,
            FileDescriptorReservation, //
        },
        File, //
    },
    ioctl::_IOC_SIZE,
    miscdevice::{
        MiscDevice,
        MiscDeviceRegistration, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        SetOnce, //
    },
    uaccess::UserPtr, //
};

use crate::{
    contexts::{
        Context,
        Contexts, //
    },
    failure::Failure,
    held,
    request::{
        Offered,
        Request,
        Scope,
        UNSHARE_EMPTY_MNTNS, //
    },
    sys::{
        bindings::{
            unshare_args,
            unshare_query,
            UNSHARE_ARGS_SIZE_VER0,
            UNSHARE_COMMIT,
            UNSHARE_LEAVE,
            UNSHARE_LOCAL,
            UNSHARE_QUERY,
            UNSHARE_QUERY_SIZE_VER0, //
        },
        task::Current,
        uaccess::{
            read_args,
            write_answer,
            write_pair, //
        },
    },
    transaction::Prepared, //
};

/// What this kernel supports, as found at load.
static OFFERED: SetOnce<Offered> = SetOnce::new();

fn offered() -> Offered {
    OFFERED.copy().unwrap_or(Offered::NOTHING)
}

/// The operations of the device. An open device has no state.
pub(crate) struct Device;

impl Device {
    /// Records what this kernel supports. Runs before the device is registered.
    pub(crate) fn offer(offered: Offered) {
        OFFERED.populate(offered);
    }
}

#[vtable]
impl MiscDevice for Device {
    type Ptr = ();

    fn open(_file: &File, _device: &MiscDeviceRegistration<Self>) -> Result {
        Ok(())
    }

    /// Accepts a struct of any size from the first published one on: the size tells which version of the ABI the
    /// caller was compiled with.
    fn ioctl(_device: (), file: &File, cmd: u32, arg: usize) -> Result<isize> {
        let size = _IOC_SIZE(cmd);
        if cmd == UNSHARE_LEAVE {
            return leave(arg);
        }
        let arg = UserPtr::from_addr(arg);
        match without_size(cmd) {
            COMMIT => commit(file, arg, size, Scope::All),
            LOCAL => commit(file, arg, size, Scope::Local),
            QUERY => query(arg, size),
            _ => Err(ENOTTY),
        }
    }
}

const COMMIT: u32 = without_size(UNSHARE_COMMIT);
const LOCAL: u32 = without_size(UNSHARE_LOCAL);
const QUERY: u32 = without_size(UNSHARE_QUERY);

const fn without_size(cmd: u32) -> u32 {
    cmd & !(kernel::uapi::_IOC_SIZEMASK << kernel::uapi::_IOC_SIZESHIFT)
}

/// Leaves the held context that the task entered last, even if its descriptor has been closed.
fn leave(arg: usize) -> Result<isize> {
    match arg {
        0 => held::leave(None, &Current::get()).map(|()| 0),
        _ => Err(EINVAL),
    }
}

fn commit(file: &File, arg: UserPtr, size: usize, scope: Scope) -> Result<isize> {
    if size < UNSHARE_ARGS_SIZE_VER0 as usize {
        return Err(EINVAL);
    }
    let current = Current::get();

    let args = read_args(arg, size);
    // Do not call `report`: the struct is not accessible as a whole.
    if matches!(args, Err(EFAULT)) {
        return Err(EFAULT);
    }
    let outcome = args
        .map_err(Failure::of_arguments)
        .and_then(|args| Request::parse(&args, scope, &offered()))
        .and_then(|request| {
            // The ioctl may hold its file only through the descriptor table (`fdget`), and the request may
            // close that descriptor.
            let replaces_table = request.unshare.contains(Context::Files);
            let _file = replaces_table.then(|| ARef::from(file));
            let mut prepared = Prepared::default();
            prepared.prepare(&current, &request)?;
            if request.hold && !request.dry_run {
                return hold(arg, &mut prepared, &current, &request);
            }
            // Write the answer before the address space is copied, so that the copy has it, and before the
            // commit, because the write can fail.
            report(arg, prepared.replaced, Contexts::empty()).map_err(Failure::of_arguments)?;
            prepared.finish(&current, &request)?;
            Ok(0)
        });
    outcome.or_else(|failure| {
        report(arg, Contexts::empty(), failure.context)?;
        Err(failure.errno)
    })
}

/// Makes a descriptor that holds what was prepared, and returns its number.
#[inline(never)]
fn hold(
    arg: UserPtr,
    prepared: &mut Prepared,
    current: &Current,
    request: &Request,
) -> Result<isize, Failure> {
    let descriptor =
        FileDescriptorReservation::get_unused_fd_flags(O_CLOEXEC).map_err(Failure::of_arguments)?;
    let number = descriptor.reserved_fd();
    // Write the answer before the namespaces become active, because the write can fail.
    report(arg, prepared.replaced, Contexts::empty()).map_err(Failure::of_arguments)?;
    descriptor.fd_install(prepared.hold(current, request)?);
    Ok(number as isize)
}

/// Writes the out fields of the struct at `arg`.
fn report(arg: UserPtr, replaced: Contexts, failed: Contexts) -> Result {
    let out = arg.wrapping_byte_add(OUT);
    write_pair(out, replaced.bits(), failed.bits())
}

/// The offset of the out fields: `replaced`, then `failed`.
const OUT: usize = offset_of!(unshare_args, replaced);
const _: () = assert!(offset_of!(unshare_args, failed) == OUT + size_of::<u64>());
const _: () = assert!(size_of::<unshare_args>() == UNSHARE_ARGS_SIZE_VER0 as usize);
const _: () = assert!(size_of::<unshare_query>() == UNSHARE_QUERY_SIZE_VER0 as usize);

// For speed: if it is inlined, requests of the other commands spill registers.
#[inline(never)]
fn query(arg: UserPtr, size: usize) -> Result<isize> {
    if size < UNSHARE_QUERY_SIZE_VER0 as usize {
        return Err(EINVAL);
    }
    let offered = offered();
    let empty_mount = match offered.unshare.contains(Context::EmptyMount) {
        true => UNSHARE_EMPTY_MNTNS,
        false => 0,
    };
    let all = Contexts::from_bits(Contexts::all_bits()).without(Context::EmptyMount.into());
    let answer = unshare_query {
        contexts: offered.unshare.bits() | empty_mount,
        attachable: offered.attach.bits(),
        options: offered.options.into(),
        shared: Current::get().shared_contexts(all).bits(),
    };
    write_answer(arg, size, &answer)?;
    Ok(0)
}
