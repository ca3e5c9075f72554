package sqlite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// The measures of the engine. The caches count for the whole process: 64 MB for
// the writer, which keeps its pages between groups; little for readers, whose
// pages SQLite drops after every commit of another connection. The file is not
// mapped, because mapped pages would count as resident memory.
const (
	busyTimeout   = 5000 // milliseconds
	maxStatements = 512  // per connection
	writerCache   = "cache_size=-65536"
	readerCache   = "cache_size=-4096"
	queueLength   = 1024
)

// Options say what to open.
type Options struct {
	Path  string     // of the file, made when it is missing; its directory must exist
	Clock core.Clock // stamps changes; nil is the system's
	// MaxPages bounds the file, in pages of 4 KiB; 0 is no bound. Beyond it writes
	// are refused with store.ErrUnavailable.
	MaxPages int
}

// Store is an open file. It implements store.Store.
type Store struct {
	path    string
	clock   core.Clock
	pool    *pool
	catalog atomic.Pointer[catalog]

	mu     sync.RWMutex // guards closed: nothing is sent on queue after it is closed
	closed bool
	queue  chan *request
	// stopped is closed when the writer is done.
	stopped chan struct{}

	names   atomic.Pointer[map[string]int64] // of workspaces; replaced, never changed
	namesMu sync.Mutex

	watch watchers
	check *checkpointer
	ahead *ahead

	batches, groups, logged atomic.Int64
}

// Stats are counts since the store was opened.
type Stats struct {
	Batches  int64 // that were answered, refused ones too
	Groups   int64 // transactions that the batches shared, each with one fsync
	LogPages int64 // pages now in the write-ahead log, about
}

// Stats returns the counts.
func (s *Store) Stats() Stats {
	return Stats{Batches: s.batches.Load(), Groups: s.groups.Load(), LogPages: s.logged.Load()}
}

var _ store.Store = (*Store)(nil)

// Open opens the file, which other processes may have open.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Path == "" {
		return nil, fmt.Errorf("sqlite: open: no path")
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: open: %w", err)
	}
	if o.Clock == nil {
		o.Clock = core.SystemClock{}
	}
	s := &Store{path: path, clock: o.Clock, queue: make(chan *request, queueLength), stopped: make(chan struct{})}
	s.names.Store(&map[string]int64{})
	s.pool = newPool(max(4, runtime.GOMAXPROCS(0)), s.openReader)
	s.ahead = s.newAhead()
	pragmas := []string{writerCache}
	if o.MaxPages > 0 {
		pragmas = append(pragmas, fmt.Sprintf("max_page_count=%d", o.MaxPages))
	}
	if err := create(path); err != nil {
		return nil, fmt.Errorf("sqlite: open: %w", err)
	}
	c, err := s.open(pragmas...)
	if err != nil {
		return nil, translate("open "+path, err)
	}
	w := &writer{s: s, conn: c, cat: &catalog{cookie: -1}, updates: updates{}, restart: restartAfter}
	if err := w.initialise(ctx); err != nil {
		c.close()
		return nil, translate("open", err)
	}
	if err := c.exec("PRAGMA busy_timeout=1"); err != nil { // from now on begin waits
		c.close()
		return nil, translate("open", err)
	}
	s.watch.init(s)
	if s.check, err = newCheckpointer(s); err != nil {
		c.close()
		return nil, translate("open", err)
	}
	go w.run()
	return s, nil
}

// create makes an empty file that only its owner may read. A file that exists is
// left alone: to open and close it would drop the locks that this process has on it.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// open opens a connection with what all of them share.
func (s *Store) open(more ...string) (*conn, error) {
	c, err := openConn(s.path, append([]string{
		"synchronous=FULL", "secure_delete=ON", "temp_store=MEMORY", "mmap_size=0",
		"wal_autocheckpoint=0", "journal_size_limit=67108864",
	}, more...)...)
	if err != nil {
		return nil, err
	}
	var mode string
	err = c.each("PRAGMA journal_mode=WAL", func(st *stmt) error {
		mode = st.text(0)
		return nil
	})
	if err == nil && mode != "wal" {
		err = fmt.Errorf("the file system cannot share memory between processes (journal mode %s); put the file on a local disk", mode)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (s *Store) openReader() (*conn, error) { return s.open(readerCache, "query_only=ON") }

// initialise makes the tables of the engine itself where they are missing.
func (w *writer) initialise(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, _, err := w.conn.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'changes'")
	if err != nil {
		return err
	}
	if n == 0 {
		return w.job(func(c *conn) error {
			for _, sql := range baseSchema {
				if err := c.exec(sql); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := w.conn.exec("BEGIN"); err != nil {
		return err
	}
	defer w.conn.rollback()
	cat, err := loadCatalog(w.conn)
	if err == nil {
		w.follow(cat)
	}
	return err
}

// Commit implements store.Writer.
func (s *Store) Commit(ctx context.Context, b store.Batch) (store.Token, error) {
	if err := b.Validate(); err != nil {
		return "", err
	}
	r := newRequest()
	r.batch = b
	if err := r.encode(s.catalog.Load()); err != nil {
		return "", fmt.Errorf("sqlite: commit: %w", err)
	}
	s.aheadOfCommit(ctx, r)
	if err := s.send(ctx, r); err != nil {
		return "", err
	}
	return r.token, nil
}

// exclusive runs f on the writer's connection in a transaction of its own.
func (s *Store) exclusive(ctx context.Context, f func(*conn) error) error {
	r := newRequest()
	r.job = f
	return s.send(ctx, r)
}

// send hands the request to the writer and waits for the answer. When ctx ends
// before the writer took it, it has no effect.
func (s *Store) send(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return errClosed
	}
	select {
	case s.queue <- r:
		s.mu.RUnlock()
	case <-ctx.Done():
		s.mu.RUnlock()
		return ctx.Err()
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.take() {
			return ctx.Err()
		}
		<-r.done // it is being applied: the answer is near
	}
	return r.err
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	return translate("ping", s.pool.with(ctx, func(c *conn) error {
		_, _, err := c.integer("PRAGMA schema_version")
		return err
	}))
}

// Close implements store.Store. It puts the whole log into the file.
func (s *Store) Close(context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.queue)
	s.mu.Unlock()
	<-s.stopped
	s.watch.close()
	s.pool.close()
	s.ahead.pool.close()
	s.check.close()
	return nil
}

// number returns the number of a workspace that this process has seen.
func (s *Store) number(workspace string) (int64, bool) {
	n, ok := (*s.names.Load())[workspace]
	return n, ok
}

// learn keeps numbers of workspaces, which never change once they are committed.
func (s *Store) learn(names map[string]int64) {
	s.namesMu.Lock()
	defer s.namesMu.Unlock()
	next := maps.Clone(*s.names.Load())
	maps.Copy(next, names)
	s.names.Store(&next)
}

// workspace looks a number up for a reader; ok is false when nothing was ever
// stored in the workspace.
func (s *Store) workspace(c *conn, name string) (n int64, ok bool, err error) {
	if n, ok := s.number(name); ok {
		return n, true, nil
	}
	n, ok, err = c.integer("SELECT n FROM hw_workspaces WHERE id = ?", name)
	if ok && err == nil {
		s.learn(map[string]int64{name: n})
	}
	return n, ok, err
}
