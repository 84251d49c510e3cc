// SPDX-License-Identifier: GPL-2.0-only

// Package unshare is the Go interface of /dev/unshare, the device of the kernel module unshare.ko. A request gives the
// calling thread its own copy of parts of its execution context (namespaces, root and working directory, ...), takes
// them from another task, or does both, as one transaction: either all that the request names is replaced, or the
// request fails and nothing has changed.
//
// # There and back
//
// [Device.Hold] prepares a request and keeps the result: a [Held] context. [Held.Do] runs a function in it, on a thread
// that comes back afterwards:
//
//	held, err := device.Hold(unshare.Request{Attach: unshare.Net, Pidfd: pidfd})
//	...
//	err = held.Do(func() error {
//		// In the network of the task behind pidfd.
//		listener, err = net.Listen("tcp", "127.0.0.1:80")
//		return err
//	})
//
// The way back needs no permission, no memory and no descriptors of the namespaces that the thread came from. It can
// fail only if the function changes the credentials, the mount or time namespace or the descriptor table of its thread:
// see [StrandedError]. If [FS] is held, too, the function may change the mount namespace.
//
// # Threads
//
// Contexts belong to a thread, and goroutines move between threads. Do locks its goroutine to the thread. Goroutines
// that the function starts run on other threads, outside. The standard library starts goroutines too: [net.Dial] looks
// a host name up in one, so the look-up is made outside. Give such functions literal addresses. A socket or a file that
// was opened inside can be used outside, by all goroutines: it keeps the network or the mount that it was opened in.
//
// # How to import it
//
// The package comes with the source of the kernel module, and its module path names no host. A program says in its
// go.mod where the source is:
//
//	require unshare.ko/bindings/go v0.0.0
//
//	replace unshare.ko/bindings/go => ../unshare.ko/bindings/go
//
// and imports the package by its name:
//
//	import unshare "unshare.ko/bindings/go"
//
// The package uses no cgo, and of other packages the standard library alone.
package unshare
