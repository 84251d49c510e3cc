// SPDX-License-Identifier: GPL-2.0-only

package unshare

import (
	"os"
	"syscall"
	"unsafe"
)

// Device is the open device. It holds no state: all goroutines of a program can use the same Device at once.
type Device struct {
	file *os.File
}

// Open opens /dev/unshare. The error is [os.ErrNotExist] if the module is not loaded, and [os.ErrPermission] if the
// program may not open the device (mode 0600, owned by root, by default).
func Open() (*Device, error) {
	file, err := os.OpenFile(devicePath, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &Device{file}, nil
}

// Close closes the device. Held contexts stay open.
func (d *Device) Close() error {
	return d.file.Close()
}

// Query returns what the kernel can do, and what the calling thread shares.
func (d *Device) Query() (Query, error) {
	var answer query
	_, errno := ioctl(d.file, ioctlQuery, unsafe.Pointer(&answer))
	if errno != 0 {
		return Query{}, &Error{Op: "query", Errno: errno}
	}
	return answer.typed(), nil
}

// Commit replaces all contexts that the request names, or none, of the calling thread. It returns the contexts that
// were replaced, including those that the request implied; for a dry run, those that would be replaced.
//
// Call [runtime.LockOSThread] before it, unless the request is a dry run, and do not unlock: the runtime then ends the
// thread together with the goroutine. An unlocked thread would run other goroutines in the contexts of this one.
func (d *Device) Commit(r Request) (Contexts, error) {
	a := r.args()
	if _, errno := ioctl(d.file, ioctlCommit, unsafe.Pointer(&a)); errno != 0 {
		return 0, &Error{"commit", errno, Contexts(a.Failed)}
	}
	return Contexts(a.Replaced), nil
}

// Hold prepares what the request names, as Commit does, and changes nothing. The result goes into the held context,
// from which any number of threads take it, as often as they like.
//
// A held context can have Mount, EmptyMount, UTS, IPC, PID, Net, Cgroup and FS. With FS or Mount, each [Held.Do] begins
// with a copy of the held root and working directory, and with the umask of its caller. A dry run is EINVAL.
func (d *Device) Hold(r Request) (*Held, error) {
	if r.DryRun {
		return nil, &Error{Op: "hold", Errno: syscall.EINVAL}
	}
	a := r.args()
	a.Options |= optionHold
	fd, errno := ioctl(d.file, ioctlCommit, unsafe.Pointer(&a))
	if errno != 0 {
		return nil, &Error{"hold", errno, Contexts(a.Failed)}
	}
	return &Held{os.NewFile(fd, "unshare-held"), Contexts(a.Replaced)}, nil
}

// ioctl keeps the descriptor open during the call, even if another goroutine closes the file.
func ioctl(file *os.File, number uintptr, argument unsafe.Pointer) (result uintptr, errno syscall.Errno) {
	errno = syscall.EBADF
	if conn, err := file.SyscallConn(); err == nil {
		conn.Control(func(fd uintptr) {
			result, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, number, uintptr(argument))
		})
	}
	return result, errno
}
