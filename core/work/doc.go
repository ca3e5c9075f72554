// Package work runs what must happen later, somewhere, once: durable timers,
// queues and long jobs. Nothing in it assumes that a process is alone or lives
// long.
//
// # Tasks
//
// A Task is a document of the collection "work" with a time at which it is due.
// Enqueue makes the operation that stores it, so that a task commits together
// with its cause or not at all. A Runner in each process looks for due tasks of
// the kinds it knows and claims them by a conditional replace that moves dueAt to
// the end of the lease. So one index finds both what is due and what a dead
// process has left behind, and of two processes that want a task one gets it.
//
// The holder writes through its Lease: every batch carries a check on the task's
// document, so that a holder that was taken for dead (stopped, cut off, slow)
// cannot write any more once another has taken over: it gets ErrLost and its
// context is cancelled. A task is finished by Lease.Complete, which deletes it in
// the batch of its effects; effects in the store therefore happen exactly once. An
// effect outside of it (a message handed to a vendor) can only be at least once:
// give it the task's key as its idempotency key.
//
// A task is never run early: a due time is rounded up to the store's millisecond
// and compared with the Clock. A handler that fails is tried again after a delay
// that doubles, with jitter; after the last attempt the task goes to "work_dead",
// from which Replay and Discard take it.
//
// # Clocks
//
// Leases are compared with each process's own clock. Correctness does not depend
// on it: the version of the task's document decides. But a process whose clock is
// ahead of the holder's by more than about half a lease takes over work that is
// still being done, which wastes it. Leases are 30 seconds or more; keep clocks
// within 5 seconds of each other.
//
// # Jobs
//
// A Job is work that a person waits for: it has progress, can be cancelled, and
// goes on from its position in another process when its own dies. Job documents
// are watched through the store ("jobs").
package work
