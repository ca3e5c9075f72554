package sqlite

import (
	"math/rand/v2"
	"time"
)

// The bounds of a group: what is beyond waits for the next fsync.
const (
	groupBatches = 256
	groupBytes   = 4 << 20
	// carefulFor is how many groups are applied with a savepoint around each batch
	// after one had a conflict.
	carefulFor = 16
)

// writer applies batches. It belongs to one goroutine.
type writer struct {
	s          *Store
	conn       *conn
	cat        *catalog
	workspaces map[string]int64 // what the transaction added
	updates    updates
	body       []byte
	last       place // of the change log, inside the transaction
	now        int64
	oldest     int64 // commit time of the oldest kept batch; 0: not known
	careful    int
	fresh      int // pages since the checkpointer was kicked
	log        int // pages in the write-ahead log, about
	restart    int // the length at which the writer shortens it itself
}

// run takes what waits, applies it as one group, answers, until the queue closes.
func (w *writer) run() {
	defer close(w.s.stopped)
	defer w.conn.close()
	var held *request // taken from the queue, but too much for its group
	for {
		first := held
		if held = nil; first == nil {
			var open bool
			if first, open = <-w.s.queue; !open {
				return
			}
		}
		if !first.take() {
			continue
		}
		if first.job != nil {
			w.finish(first, w.jobOf(first))
			continue
		}
		group, size := []*request{first}, first.size
	gather:
		for len(group) < groupBatches && size < groupBytes {
			select {
			case r, open := <-w.s.queue:
				if !open {
					break gather
				}
				if r.job != nil || size+r.size > groupBytes {
					held = r
					break gather
				}
				if r.take() {
					group = append(group, r)
					size += r.size
				}
			default:
				break gather
			}
		}
		w.group(group)
	}
}

// take owns the request, unless its caller has given up.
func (r *request) take() bool {
	select {
	case <-r.state:
		return true
	default:
		return false
	}
}

func (w *writer) finish(r *request, err error) {
	r.err = err
	close(r.done)
}

// jobOf runs the job of a request.
func (w *writer) jobOf(r *request) error {
	if r.before != nil {
		if err := r.before(w.conn); err != nil {
			return err
		}
	}
	return w.job(r.job)
}

// job runs f in a transaction of its own and reads the catalog again, which it may
// have changed without a new cookie.
func (w *writer) job(f func(*conn) error) error {
	if err := w.begin(jobWait); err != nil {
		return err
	}
	err := f(w.conn)
	var cat *catalog
	if err == nil {
		cat, err = loadCatalog(w.conn)
	}
	if err == nil {
		err = w.conn.exec("COMMIT")
	}
	if err != nil {
		w.conn.rollback()
		return err
	}
	w.follow(cat)
	return nil
}

// follow makes cat what this process goes by.
func (w *writer) follow(cat *catalog) {
	w.cat, w.updates = cat, updates{}
	w.s.catalog.Store(cat)
}

// jobWait is how long a job waits for another process, which may be building an
// index.
const jobWait = time.Minute

// begin opens a write transaction. Other processes may hold the lock: it asks
// again after short random pauses, up to the limit.
func (w *writer) begin(limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		err := w.conn.exec("BEGIN IMMEDIATE")
		if !isBusy(err) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(time.Duration(rand.Int64N(int64(pause))) + pause/2)
	}
}
