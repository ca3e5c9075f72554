// Package profile turns events into people.
//
// An identifier (a namespace and a normalised value) belongs for ever to a part,
// the profile id that it was first seen under, and a part points at its profile.
// An event is stored under the part of its highest-priority identifier, after
// merges too. A merge adds an edge between two parts; taking the edge away again
// regroups the parts and refolds both sides, so that unmerge is exact.
//
// A profile is the fold of the events of its parts. The fold does not depend on
// the order in which events arrive: each trait is a register that keeps the
// greatest stamp (priority, event time, event id) written to it, so that merging
// two profiles is joining their registers, and refolding gives the same state.
// Only where limits or exclusive namespaces conflict does the first commit win;
// the other link becomes a proposal that waits for a person.
package profile
