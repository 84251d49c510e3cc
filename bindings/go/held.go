// SPDX-License-Identifier: GPL-2.0-only

package unshare

import (
	"os"
	"runtime"
	"syscall"
)

// Held is a held context: what a request prepared, in a descriptor. Goroutines can use the same Held at once. A Held
// that is not used any more is closed by the garbage collector.
type Held struct {
	file     *os.File
	contexts Contexts
}

// Contexts returns what Do replaces, including what the request implied.
func (h *Held) Contexts() Contexts {
	return h.contexts
}

// Close closes the held context. Functions that run inside at that moment are not disturbed: the descriptor stays open
// until the last of them has left.
func (h *Held) Close() error {
	return h.file.Close()
}

// Do runs f inside the held context, and returns what f returns. It locks the goroutine to its thread, enters, calls f,
// leaves and unlocks.
//
// Contexts that are not held stay those of the calling thread. f may call Do of this Held or of another one. If f
// panics, or calls [runtime.Goexit], the thread leaves first. Goroutines that f starts are outside. Processes that f
// starts, and threads that its C code starts, are inside and stay there.
//
// The error is an [*Error] if the thread could not enter: f was not called. It is a [*StrandedError] if the thread could
// not leave. It is [os.ErrClosed] if the Held is closed.
func (h *Held) Do(f func() error) error {
	conn, err := h.file.SyscallConn()
	if err != nil {
		return os.ErrClosed
	}
	closed := conn.Control(func(fd uintptr) { err = do(fd, f) })
	if closed != nil {
		return os.ErrClosed
	}
	return err
}

func do(fd uintptr, f func() error) (err error) {
	runtime.LockOSThread()
	if errno := enter(fd); errno != 0 {
		runtime.UnlockOSThread()
		return &Error{Op: "enter", Errno: errno}
	}
	// Runs also if f panics or ends the goroutine. A panic goes on after it.
	defer func() {
		errno := leave(fd)
		if errno == 0 {
			runtime.UnlockOSThread()
			return
		}
		stranded := &StrandedError{Errno: errno, Returned: err, Panic: recover()}
		if stranded.Panic != nil {
			panic(stranded)
		}
		err = stranded
	}()
	return f()
}

func enter(fd uintptr) syscall.Errno {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, ioctlEnter, 0)
	return errno
}

func leave(fd uintptr) syscall.Errno {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, ioctlLeave, 0)
	return errno
}
