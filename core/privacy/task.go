package privacy

import (
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/work"
)

// task returns the request's task with a target, or nil.
func (r *Request) task(target string) *Task {
	if i := slices.IndexFunc(r.Tasks, func(t Task) bool { return t.Target == target }); i >= 0 {
		return &r.Tasks[i]
	}
	return nil
}

// with returns the request with a task as it is at an instant; false when it says so
// already.
func (r *Request) with(t Task, at time.Time) (next Request, changed bool) {
	t.At = &at
	next = *r
	next.Tasks = slices.Clone(r.Tasks)
	old := next.task(t.Target)
	switch {
	case old == nil:
		next.Tasks = append(next.Tasks, t)
	case old.Status == t.Status && old.Evidence == t.Evidence && old.Ref == t.Ref:
		return next, false
	default:
		*old = t
	}
	return next, true
}

// scrubbable reports whether everything that is to be deleted here for an erasure is,
// so that what it left in the files can be overwritten.
func (r *Request) scrubbable() bool {
	here, jobs, files := r.task(targetHere), r.task(targetJobs), r.task(targetFiles)
	return r.Type == Erasure && !r.Status.Final() && here != nil && here.Status == work.Succeeded &&
		(jobs == nil || jobs.Status.Final()) && (files == nil || files.Status != work.Succeeded)
}

// addCount returns the counts with more documents of a collection.
func addCount(counts []Count, collection string, n int64) []Count {
	out := slices.Clone(counts)
	if i := slices.IndexFunc(out, func(c Count) bool { return c.Collection == collection }); i >= 0 {
		out[i].Documents += n
		return out
	}
	return append(out, Count{collection, n})
}
