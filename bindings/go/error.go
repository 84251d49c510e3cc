// SPDX-License-Identifier: GPL-2.0-only

package unshare

import (
	"fmt"
	"syscall"
)

// Error is why the kernel refused. Nothing has changed.
type Error struct {
	// Op is what was refused: "query", "commit", "hold" or "enter".
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

// StrandedError is what Do returns if its thread could not leave. The goroutine is still inside, and still locked to
// that thread. The caller must let the goroutine end, and must not unlock it: the runtime then ends the thread too (the
// main thread sleeps for ever), so that no other goroutine runs inside.
//
// The kernel refuses to let a thread leave if its credentials changed inside and setns(2) back would be refused (EPERM),
// if it changed its mount namespace inside and [FS] is not held (EBUSY), or its time namespace (EUSERS).
// [syscall.Setuid] and its like change the credentials of all threads, whichever goroutine calls them.
//
// If the function panicked, Do panics with the StrandedError. If it called [runtime.Goexit], the goroutine ends.
type StrandedError struct {
	// Errno is why the thread could not leave.
	Errno syscall.Errno
	// Returned is what the function returned.
	Returned error
	// Panic is the value that the function panicked with, or nil.
	Panic any
}

// Error names the reason, and the outcome of the function.
func (e *StrandedError) Error() string {
	switch {
	case e.Panic != nil:
		return fmt.Sprintf("unshare: leave: %v, after a panic: %v", e.Errno, e.Panic)
	case e.Returned != nil:
		return fmt.Sprintf("unshare: leave: %v, after an error: %v", e.Errno, e.Returned)
	default:
		return fmt.Sprintf("unshare: leave: %v", e.Errno)
	}
}

// Unwrap returns Errno.
func (e *StrandedError) Unwrap() error {
	return e.Errno
}
