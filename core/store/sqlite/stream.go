package sqlite

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// readAhead is how many batches a stream reads at once.
const readAhead = 64

// Watch implements store.Watcher.
func (s *Store) Watch(ctx context.Context, after store.Token, collections ...*store.Spec) (store.Stream, error) {
	at, err := parseToken(after)
	if err != nil {
		return nil, err
	}
	st := &stream{s: s, at: at}
	if len(collections) > 0 {
		st.only = map[string]bool{}
		for _, c := range collections {
			st.only[c.Name] = true
		}
	}
	if err := st.read(ctx); err != nil {
		return nil, err
	}
	return st, nil
}

// stream reads the change log from a place on.
type stream struct {
	s      *Store
	only   map[string]bool // nil: all collections
	at     place
	ready  []store.Change
	closed bool
}

// Next implements store.Stream.
func (st *stream) Next(ctx context.Context) (store.Change, error) {
	for len(st.ready) == 0 {
		if st.closed {
			return store.Change{}, errClosed
		}
		if err := st.wait(ctx); err != nil {
			return store.Change{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return store.Change{}, err
	}
	c := st.ready[0]
	st.ready = st.ready[1:]
	return c, nil
}

// wait reads what is there, and when that is nothing waits for a commit.
func (st *stream) wait(ctx context.Context) error {
	wake := st.s.watch.arm()
	defer st.s.watch.disarm()
	before := st.at
	if err := st.read(ctx); err != nil || len(st.ready) > 0 || st.at != before {
		return err
	}
	select {
	case <-wake:
		return nil
	case <-st.s.watch.done:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close implements store.Stream.
func (st *stream) Close() error {
	st.closed, st.ready = true, nil
	return nil
}

// read fills ready with the next changes.
func (st *stream) read(ctx context.Context) error {
	err := st.s.pool.read(ctx, func(c *conn) error {
		if err := st.kept(c); err != nil {
			return err
		}
		names := map[int64]string{}
		return c.each("SELECT seq, at, body FROM changes WHERE seq >= ? ORDER BY seq LIMIT ?", func(s *stmt) error {
			return st.row(c, names, s.int(0), s.int(1), s.bytes(2))
		}, st.at.seq, readAhead)
	})
	return translate("watch", err)
}

// kept reports ErrTokenExpired when changes after the place are gone, or when the
// place was never reached: then it is a token of another store.
func (st *stream) kept(c *conn) error {
	last, err := newest(c)
	if err != nil {
		return err
	}
	first, _, err := oldest(c)
	if err != nil {
		return err
	}
	if st.at.seq > last.seq || st.at.seq < first && !(st.at.seq == 0 && first == 1) {
		return store.ErrTokenExpired
	}
	return nil
}

func (st *stream) row(c *conn, names map[int64]string, seq, at int64, body []byte) error {
	skip := 0
	if seq == st.at.seq {
		skip = st.at.off
	}
	off, before := 0, len(st.ready)
	cat := st.s.catalog.Load()
	var failed error
	err := eachChange(body, func(ch change) {
		if off++; off <= skip || failed != nil {
			return
		}
		var out store.Change
		if out, failed = st.s.change(c, cat, names, ch); failed != nil {
			return
		}
		if st.only != nil && !st.only[out.Collection] {
			return
		}
		out.Token, out.At = place{seq, off}.token(), time.UnixMilli(at).UTC()
		st.ready = append(st.ready, out)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		st.ready = st.ready[:before] // the next read takes the whole row again
		return err
	}
	st.at = place{seq, off}
	return nil
}

// change gives a change of the log the names of its collection and workspace.
func (s *Store) change(c *conn, cat *catalog, names map[int64]string, ch change) (store.Change, error) {
	out := store.Change{Key: ch.id, Version: ch.version, Kind: ch.kind}
	if l := cat.byNumber[ch.collection]; l != nil {
		out.Collection = l.name
	} else {
		// Another process declared it after this one read the catalog.
		err := c.each("SELECT name FROM hw_collections WHERE n = ?", func(st *stmt) error {
			out.Collection = st.text(0)
			return nil
		}, ch.collection)
		if err != nil {
			return out, err
		}
	}
	if ch.workspace == 0 {
		return out, nil
	}
	name, ok := names[ch.workspace]
	if !ok {
		err := c.each("SELECT id FROM hw_workspaces WHERE n = ?", func(st *stmt) error {
			name = st.text(0)
			return nil
		}, ch.workspace)
		if err != nil {
			return out, err
		}
		names[ch.workspace] = name
	}
	out.Key = store.Key(name, ch.id)
	return out, nil
}
