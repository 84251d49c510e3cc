// SPDX-License-Identifier: GPL-2.0-only

package unshare

// Request names the contexts to replace.
type Request struct {
	// Unshare is the contexts to stop sharing.
	Unshare Contexts
	// Attach is the contexts to take from the task behind Pidfd: namespaces, and FS. It comes first: of a context
	// that is also in Unshare, the thread gets its own copy of that task's.
	Attach Contexts
	// Pidfd is a descriptor of pidfd_open(2) or clone(2); 0 if Attach is 0.
	Pidfd int
	// Close is the descriptors that the new table does not get, if Files is in Unshare; nil for none.
	Close *Range
	// DryRun has Commit prepare all of it and report, but change nothing.
	DryRun bool
}

// Range is the descriptors from First to Last.
type Range struct {
	First, Last uint32
}

func (r Request) args() args {
	a := args{Unshare: uint64(r.Unshare), Attach: uint64(r.Attach), Pidfd: int32(r.Pidfd)}
	if r.Close != nil {
		a.Options |= optionCloseRange
		a.First, a.Last = r.Close.First, r.Close.Last
	}
	if r.DryRun {
		a.Options |= optionDryRun
	}
	return a
}
