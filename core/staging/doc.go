// Package staging keeps uploaded files in the store until a job has read them, so
// that any process can go on with a job whose own process died.
//
// An Area is where one kind of file lies: a collection of chunks of its own, the
// kind of the jobs that read them and the kind of the task that sweeps up. A package
// declares its area once and opens it over a store:
//
//	var Files = staging.Declare(staging.Area{Name: "import_chunks", Job: "import", Sweep: "import.sweep", ...})
//
//	file, err := Files.In(store, clock).Put(ctx, workspace, r)   // while the upload lasts
//	r := Files.In(store, clock).Open(ctx, workspace, file, 0)    // in the job, from any offset
//
// A file is named by an id, imp_…; its bytes are cut into chunks of ChunkBytes, the
// last one shorter. File, its name and size, is what the input of a job holds.
//
// # What is left behind
//
// With the first chunks a sweep is enqueued, due after Keep. It deletes the file,
// unless a job that is queued or running still names it; then it comes again.
// While an upload lasts its writer puts the sweep off. So nothing of a process that
// dies between two chunks stays for ever, and nothing that is in use is taken away.
// A job that has ended deletes its file itself; one that was cancelled leaves it to
// the sweep.
//
// # Bounds
//
// Bound limits a reader: the bytes of a whole file, and those of a line or record,
// so that a file without line ends, or with a quote that is never closed, does not
// fill the memory.
//
// # Personal data
//
// A staged file holds whatever was uploaded, by no subject: erasure reads it through
// and overwrites the lines that name the person (Redact). It is kept for days only. Its area is a collection like any
// other, and goes with its workspace, into a backup and out of it.
package staging
