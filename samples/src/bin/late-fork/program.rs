// SPDX-License-Identifier: GPL-2.0-only

use std::ffi::{CString, c_char};
use std::ptr::null;

use nix::libc;

/// A program to exec. Everything that needs an allocation is made before.
#[derive(Debug)]
pub(crate) struct Program {
    path: CString,
    /// What the pointers point to.
    _arguments: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Program {
    /// The environment of the program will be empty.
    pub(crate) fn new(path: CString, arguments: Vec<CString>) -> Self {
        let pointers = arguments
            .iter()
            .map(|argument| argument.as_ptr())
            .chain([null()])
            .collect();
        Self {
            path,
            _arguments: arguments,
            pointers,
        }
    }

    /// Becomes the program. Returns only on an error. Allocates nothing.
    pub(crate) fn exec(&self) {
        let environment = [null::<c_char>()];
        // SAFETY: Both lists end with a null pointer, and `self` owns what they point to.
        unsafe {
            libc::execve(
                self.path.as_ptr(),
                self.pointers.as_ptr(),
                environment.as_ptr(),
            )
        };
    }
}
