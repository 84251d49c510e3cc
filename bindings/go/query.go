// SPDX-License-Identifier: GPL-2.0-only

package unshare

// Query is what the kernel can do, and what the calling thread shares.
type Query struct {
	// Contexts is what Request.Unshare may name on this kernel.
	Contexts Contexts
	// Attachable is what Request.Attach may name on this kernel.
	Attachable Contexts
	// DryRun, CloseRange and Hold tell whether this kernel has these options.
	DryRun, CloseRange, Hold bool
	// Shared is what the thread shared with another task when the kernel was asked. The threads of a Go program
	// share all contexts, unless they were replaced.
	Shared Contexts
}

func (q query) typed() Query {
	return Query{
		Contexts:   Contexts(q.Contexts),
		Attachable: Contexts(q.Attachable),
		DryRun:     q.Options&optionDryRun != 0,
		CloseRange: q.Options&optionCloseRange != 0,
		Hold:       q.Options&optionHold != 0,
		Shared:     Contexts(q.Shared),
	}
}
