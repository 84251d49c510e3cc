// SPDX-License-Identifier: GPL-2.0-only

package unshare

import (
	"fmt"
	"syscall"
)

// Error is why the kernel refused. Nothing has changed.
type Error struct {
	// Op is what was refused: "query" or "commit".
	Op string
	// Errno is the kernel's answer. For a context that unshare(2) or setns(2) knows, it is the same as theirs.
	Errno syscall.Errno
	// Context is the one context that stopped the request; 0 if that was an argument, or the task behind the pidfd.
	Context Contexts
}

// Error names the context as the kernel does: "unshare: commit: CLONE_NEWNET: operation not permitted".
func (e *Error) Error() string {
	if e.Context == 0 {
		return fmt.Sprintf("unshare: %s: %v", e.Op, e.Errno)
	}
	return fmt.Sprintf("unshare: %s: %v: %v", e.Op, e.Context, e.Errno)
}

// Unwrap returns Errno, so that errors.Is(err, syscall.EPERM) works.
func (e *Error) Unwrap() error {
	return e.Errno
}
