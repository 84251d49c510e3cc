// SPDX-License-Identifier: GPL-2.0

//! KUnit tests: requests are parsed and checked without a task.

use kernel::prelude::*;

#[kunit_tests(unshare_request)]
mod tests {
    use crate::request::*;

    const OFFERED: Offered = Offered {
        unshare: Contexts::from_bits(Contexts::all_bits()),
        attach: Contexts::from_bits(Contexts::NAMESPACES.bits() | CLONE_FS),
        options: OPTIONS | OPTIONS_OF_HOLDING,
    };
    const CLONE_FS: u64 = kernel::bindings::CLONE_FS as u64;

    fn parse(args: unshare_args) -> Result<Request, Failure> {
        Request::parse(&args, Scope::All, &OFFERED)
    }

    fn unshare(contexts: impl Into<Contexts>) -> unshare_args {
        unshare_args {
            unshare: contexts.into().bits(),
            ..Default::default()
        }
    }

    fn attach(contexts: impl Into<Contexts>) -> unshare_args {
        unshare_args {
            attach: contexts.into().bits(),
            pidfd: 3,
            ..Default::default()
        }
    }

    fn is_refused(args: unshare_args, errno: Error, context: Contexts) -> bool {
        parse(args).is_err_and(|failure| failure == Failure { errno, context })
    }

    #[test]
    fn implied_contexts_are_added() {
        let implied = [
            (
                Context::Thread.into(),
                Context::Thread | Context::Vm | Context::Sighand,
            ),
            (Context::Vm.into(), Context::Vm | Context::Sighand),
            (Context::Sighand.into(), Context::Sighand.into()),
            (Context::Mount.into(), Context::Mount | Context::Fs),
            (Context::User.into(), Context::User | Context::Fs),
            (
                Context::EmptyMount.into(),
                Context::EmptyMount | Context::Mount | Context::Fs,
            ),
            (Context::Uts | Context::Net, Context::Uts | Context::Net),
        ];
        for (asked, expected) in implied {
            assert!(parse(unshare(asked)).is_ok_and(|request| request.unshare == expected));
        }
    }

    #[test]
    fn the_empty_mount_namespace_has_two_bits() {
        let one = parse(unshare(Contexts::from_bits(UNSHARE_EMPTY_MNTNS)));
        let other = parse(unshare(Context::EmptyMount));
        assert!(one.is_ok_and(|one| other.is_ok_and(|other| one.unshare == other.unshare)));
    }

    #[test]
    fn unknown_bits_are_invalid() {
        let nothing = Contexts::empty();
        for bit in 0..64 {
            let bits = 1 << bit;
            let known = Contexts::all_bits() | UNSHARE_EMPTY_MNTNS;
            let args = || unshare(Contexts::from_bits(bits));
            if bits & known == 0 {
                assert!(is_refused(args(), EINVAL, nothing));
            } else {
                assert!(parse(args()).is_ok());
            }
        }
        let options = unshare_args {
            options: 4,
            ..Default::default()
        };
        assert!(is_refused(options, EINVAL, nothing));
        let unattachable = [Context::Files, Context::Vm, Context::EmptyMount];
        for context in unattachable {
            assert!(is_refused(attach(context), EINVAL, nothing));
        }
        let pidfd = unshare_args {
            pidfd: 3,
            ..Default::default()
        };
        assert!(is_refused(pidfd, EINVAL, nothing));
    }

    #[test]
    fn a_known_context_that_the_kernel_lacks_is_named() {
        let lacking = Offered {
            unshare: OFFERED.unshare.without(Context::Cgroup.into()),
            attach: OFFERED.attach.without(Context::Uts.into()),
            ..OFFERED
        };
        for (args, context) in [
            (unshare(Context::Cgroup), Context::Cgroup),
            (attach(Context::Net | Context::Uts), Context::Uts),
        ] {
            let request = Request::parse(&args, Scope::All, &lacking);
            assert!(request.is_err_and(|failure| failure.context == context.into()));
        }
    }

    #[test]
    fn attaching_a_mount_or_user_namespace_implies_fs() {
        let implied = [
            (Context::Mount, Context::Fs.into()),
            (Context::User, Context::Fs.into()),
            (Context::Net, Contexts::empty()),
            (Context::Fs, Contexts::empty()),
        ];
        for (asked, expected) in implied {
            assert!(parse(attach(asked)).is_ok_and(|request| {
                request.unshare == expected && request.attach == asked.into()
            }));
        }
    }

    #[test]
    fn an_implied_context_that_the_kernel_lacks_is_named() {
        for (asked, lacking) in [
            (Context::Vm, Context::Sighand),
            (Context::Thread, Context::Vm),
            (Context::Mount, Context::Fs),
        ] {
            let offered = Offered {
                unshare: OFFERED.unshare.without(lacking.into()),
                ..OFFERED
            };
            let request = Request::parse(&unshare(asked), Scope::All, &offered);
            assert!(request.is_err_and(|failure| failure == Failure::of(lacking)(EINVAL)));
        }
    }

    #[test]
    fn a_local_request_with_a_namespace_or_an_attach_is_eperm() {
        let args = unshare(Context::Fs | Context::User | Context::Ipc);
        let request = Request::parse(&args, Scope::Local, &OFFERED);
        assert!(request.is_err_and(|failure| {
            failure.errno == EPERM && failure.context == Context::Ipc.into()
        }));
        let args = unshare(Context::Fs | Context::Files | Context::Sysvsem | Context::Thread);
        assert!(Request::parse(&args, Scope::Local, &OFFERED).is_ok());
        let request = Request::parse(&attach(Context::Fs), Scope::Local, &OFFERED);
        assert!(request.is_err_and(|failure| failure.errno == EPERM));
    }

    #[test]
    fn a_close_range_requires_its_option_and_the_descriptor_table() {
        let range = |contexts: Contexts, options, close_first, close_last| {
            parse(unshare_args {
                options,
                close_first,
                close_last,
                ..unshare(contexts)
            })
        };
        let files = Contexts::from(Context::Files);
        let accepted = range(files, UNSHARE_CLOSE_RANGE, 3, 5);
        assert!(accepted.is_ok_and(|request| request.close_range == Some(3..=5)));
        assert!(range(files, UNSHARE_CLOSE_RANGE, 0, u32::MAX).is_ok());
        assert!(range(files, UNSHARE_CLOSE_RANGE, 5, 3).is_err());
        assert!(range(files, 0, 0, 1).is_err());
        assert!(range(Context::Fs.into(), UNSHARE_CLOSE_RANGE, 3, 5).is_err());
    }

    #[test]
    fn a_task_with_threads_cannot_leave_what_they_share() {
        let blocked = [
            Context::Thread,
            Context::Sighand,
            Context::Vm,
            Context::User,
        ];
        let free = [
            Context::Fs,
            Context::Files,
            Context::Sysvsem,
            Context::Mount,
            Context::EmptyMount,
            Context::Uts,
            Context::Ipc,
            Context::Pid,
            Context::Net,
            Context::Cgroup,
            Context::Time,
        ];
        let check = |contexts: Contexts, has_threads| {
            parse(unshare(contexts)).and_then(|request| request.check(|| has_threads))
        };
        // The failure names the thread group, whichever context was asked for.
        let refused = Err(Failure::of(Context::Thread)(EINVAL));
        for context in blocked {
            assert!(check(context.into(), true) == refused);
            assert!(check(context | Context::Fs, true) == refused);
            assert!(check(context.into(), false).is_ok());
        }
        for context in free {
            assert!(check(context.into(), true).is_ok());
        }
        assert!(check(Contexts::empty(), true).is_ok());
    }

    #[test]
    fn a_context_of_the_whole_process_cannot_be_held() {
        let hold = |contexts: Contexts, scope, offered| {
            let args = unshare_args {
                options: UNSHARE_HOLD,
                ..unshare(contexts)
            };
            Request::parse(&args, scope, offered)
        };
        let all = |contexts| hold(contexts, Scope::All, &OFFERED);
        assert!(all(Contexts::HOLDABLE).is_ok_and(|request| request.hold));
        for context in [
            Context::Files,
            Context::Sysvsem,
            Context::Sighand,
            Context::User,
            Context::Time,
        ] {
            let refused = Failure::of(context)(EINVAL);
            assert!(all(context | Context::Net).is_err_and(|failure| failure == refused));
        }
        let nothing = Failure::of_arguments(EINVAL);
        assert!(all(Contexts::empty()).is_err_and(|failure| failure == nothing));
        let local = hold(Context::Fs.into(), Scope::Local, &OFFERED);
        assert!(local.is_err_and(|failure| failure == nothing));
        let lacking = Offered {
            options: OPTIONS,
            ..OFFERED
        };
        let unknown = hold(Context::Net.into(), Scope::All, &lacking);
        assert!(unknown.is_err_and(|failure| failure == nothing));
    }
}
