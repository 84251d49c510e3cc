// SPDX-License-Identifier: GPL-2.0-only

// Package unshare is the Go interface of /dev/unshare, the device of the kernel module unshare.ko. A request gives the
// calling thread its own copy of parts of its execution context (namespaces, root and working directory, ...), takes
// them from another task, or does both, as one transaction: either all that the request names is replaced, or the
// request fails and nothing has changed.
//
// # Threads
//
// Contexts belong to a thread, and goroutines move between threads: see [Device.Commit].
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
