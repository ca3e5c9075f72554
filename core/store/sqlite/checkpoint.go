package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	lib "modernc.org/sqlite/lib"

	"github.com/headwater-cdp/headwater/core/store"
)

// The write-ahead log is moved into the file beside the writer, by a goroutine with
// its own connection, each time that kickAfter pages came in. Only when the log is
// restartAfter pages long does the writer itself move the short rest, so that its
// next group begins the log anew: a log that is always written to would else grow
// for ever.
const (
	kickAfter    = 256
	restartAfter = 12288
	// retryAfter is how many pages come in before the writer tries again, when a
	// reader of an old state did not let it.
	retryAfter = 4096
)

// checkpointer moves the log into the file.
type checkpointer struct {
	mu   sync.Mutex // held during a checkpoint
	conn *conn
	kick chan struct{}
	done chan struct{}
}

func newCheckpointer(s *Store) (*checkpointer, error) {
	c, err := s.open("cache_size=-256", "busy_timeout=50")
	if err != nil {
		return nil, err
	}
	k := &checkpointer{conn: c, kick: make(chan struct{}, 1), done: make(chan struct{})}
	go k.run()
	return k, nil
}

func (k *checkpointer) run() {
	defer close(k.done)
	for range k.kick {
		k.mu.Lock()
		_, _, _ = k.conn.checkpoint(lib.SQLITE_CHECKPOINT_PASSIVE) // what it leaves, the next one takes
		k.mu.Unlock()
	}
}

// close must come after the last kick.
func (k *checkpointer) close() {
	close(k.kick)
	<-k.done
	k.mu.Lock() // a Scrub that is under way ends by itself
	defer k.mu.Unlock()
	k.conn.close()
}

// checkpoint moves the log into the file and returns the lengths of the log and of
// the part that is moved, in pages. Both are -1 when the connection could not try.
func (c *conn) checkpoint(mode int32) (log, moved int32, err error) {
	out := (*[2]int32)(pointer(c.out))
	*out = [2]int32{-1, -1}
	rc := lib.Xsqlite3_wal_checkpoint_v2(c.tls, c.db, 0, mode, c.out, c.out+4)
	if rc != lib.SQLITE_OK {
		err = c.fail(rc)
	}
	return out[0], out[1], err
}

// written returns how many pages the connection wrote since the last call.
func (c *conn) written() int {
	out := (*[2]int32)(pointer(c.out))
	lib.Xsqlite3_db_status(c.tls, c.db, lib.SQLITE_DBSTATUS_CACHE_WRITE, c.out, c.out+4, 1)
	return int(out[0])
}

// tidy keeps the log short. The writer calls it after it has answered.
func (w *writer) tidy() {
	k, n := w.s.check, w.conn.written()
	w.fresh += n
	w.log += n
	defer func() { w.s.logged.Store(int64(w.log)) }()
	if w.fresh >= kickAfter {
		w.fresh = 0
		select {
		case k.kick <- struct{}{}:
		default:
		}
	}
	if w.log < w.restart || !k.mu.TryLock() {
		return
	}
	defer k.mu.Unlock()
	log, moved, err := w.conn.checkpoint(lib.SQLITE_CHECKPOINT_PASSIVE)
	if err == nil && log == moved {
		w.log, w.restart = 0, restartAfter
		return
	}
	w.log = max(int(log), w.log)
	w.restart = w.log + retryAfter
}

// Scrub implements store.Scrubber: it moves the whole write-ahead log into the
// file and empties it, and overwrites what belongs to nothing there, so that bytes of
// deleted and replaced documents are in neither. It goes through the file slice by
// slice, and others write between two. It waits for readers of older states, a Snapshot
// among them, until ctx ends: ErrUnavailable. The change log holds keys, never values,
// for store.Retention; the given keys are taken out of it.
func (s *Store) Scrub(ctx context.Context, keys ...string) error {
	err := s.redact(ctx, keys)
	if err == nil {
		err = s.blankAll(ctx)
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: scrub: not done in time: %w", store.ErrUnavailable, err)
	}
	return translate("scrub", err)
}

func (s *Store) blankAll(ctx context.Context) error {
	f, err := rawFile(s.path)
	if err != nil {
		return err
	}
	for at := int64(0); at >= 0; {
		next, err := s.blank(ctx, f, at)
		if err == nil {
			at = next
			continue
		}
		if !errors.Is(err, errLogged) && !isBusy(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("a reader holds an older state: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return f.Sync()
}

// Verify reads the whole file and reports what is damaged. It takes about a second
// for every 200 MB.
func (s *Store) Verify(ctx context.Context) error {
	err := s.pool.with(ctx, func(c *conn) error {
		return c.during(ctx, func() error {
			return c.each("PRAGMA integrity_check", func(st *stmt) error {
				if found := st.text(0); found != "ok" {
					return fmt.Errorf("the file is damaged: %s", found)
				}
				return nil
			})
		})
	})
	return translate("verify", err)
}
