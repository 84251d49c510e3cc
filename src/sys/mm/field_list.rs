// SPDX-License-Identifier: GPL-2.0

//! Copies a structure field by field, and does not compile while a field is unaccounted for.

/// Accounts for all fields of a structure. For each list `copied by f`, defines a function `f` that
/// copies its fields between address spaces. Other code sets up the fields under `elsewhere`.
macro_rules! field_list {
    (
        $structure:ident, copied by $prefix:ident:
        $( copied by $copy:ident: { $( $(#[$is_copied:meta])* $copied:ident, )* } )*
        $( elsewhere: { $( $(#[$is_elsewhere:meta])* $elsewhere:ident, )* } )*
    ) => {
        ::kernel::macros::paste! {
            $(
                /// # Safety
                /// Copies the fields of one list.
                ///
                ///
                /// `mm` must be new and used by no task. `oldmm` must have a user, and the lock
                /// that the list names must be held.
                pub(in crate::sys) unsafe fn $copy(
                    mm: *mut ::kernel::bindings::mm_struct,
                    oldmm: *mut ::kernel::bindings::mm_struct,
                ) {
                    $(
                        $(#[$is_copied])*
                        // SAFETY: By the safety requirements.
                        unsafe { $crate::sys::bindings::[<$prefix $copied>](mm, oldmm) };
                    )*
                }
            )*
        }

        const _: fn($structure) = |it| {
            let $structure {
                $( $( $(#[$is_copied])* $copied: _, )* )*
                $( $( $(#[$is_elsewhere])* $elsewhere: _, )* )*
            } = it;
        };
    };
}
pub(in crate::sys) use field_list;
