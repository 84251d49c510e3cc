// SPDX-License-Identifier: GPL-2.0

//! What copies a structure field by field, and does not compile while one is unaccounted for.

/// Lists the fields of a structure. Of those under `copied by f`, makes a function `f`, which copies
/// them from an old address space to a new one. `elsewhere` are those that something else sets up.
macro_rules! field_list {
    (
        $structure:ident, copied by $prefix:ident:
        $( copied by $copy:ident: { $( $(#[$is_copied:meta])* $copied:ident, )* } )*
        $( elsewhere: { $( $(#[$is_elsewhere:meta])* $elsewhere:ident, )* } )*
    ) => {
        ::kernel::macros::paste! {
            $(
                /// # Safety
                ///
                /// `mm` is new and nobody else's; `oldmm` has a user, and is locked as the list says.
                pub(in crate::sys) unsafe fn $copy(
                    mm: *mut ::kernel::bindings::mm_struct,
                    oldmm: *mut ::kernel::bindings::mm_struct,
                ) {
                    $(
                        $(#[$is_copied])*
                        // SAFETY: By the contract of this function.
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
