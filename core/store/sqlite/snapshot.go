package sqlite

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

// snapshot is a read transaction on a connection of its own. While it is open the
// write-ahead log cannot shrink.
type snapshot struct {
	s   *Store
	c   *conn
	cat *catalog
}

// Snapshot implements store.Store.
func (s *Store) Snapshot(ctx context.Context) (store.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed
	}
	c, err := s.openReader()
	if err != nil {
		return nil, translate("snapshot", err)
	}
	snap := &snapshot{s: s, c: c}
	if err = c.exec("BEGIN"); err == nil {
		snap.cat, err = loadCatalog(c) // the first read fixes the moment
	}
	if err != nil {
		c.close()
		return nil, translate("snapshot", err)
	}
	return snap, nil
}

// Each implements store.Snapshot. Keys begin with the workspace's name, rows with
// its number: the workspaces are walked in the order of their names.
func (s *snapshot) Each(ctx context.Context, spec *store.Spec, f func(bson.Raw) error) error {
	l := s.cat.byName[spec.Name]
	if l == nil {
		return errUndeclared(spec.Name)
	}
	type workspace struct {
		n      int64
		prefix string
	}
	all := []workspace{{}}
	if !l.global {
		all = nil
		err := s.c.each("SELECT n, id FROM hw_workspaces", func(st *stmt) error {
			all = append(all, workspace{st.int(0), st.text(1) + "/"})
			return nil
		})
		if err != nil {
			return translate("snapshot", err)
		}
		slices.SortFunc(all, func(a, b workspace) int { return strings.Compare(a.prefix, b.prefix) })
	}
	var stop error
	for _, ws := range all {
		err := s.c.each("SELECT id, v, doc FROM "+l.table+" WHERE w = ? ORDER BY id", func(st *stmt) error {
			if stop = ctx.Err(); stop == nil {
				stop = f(join(ws.prefix, st.text(0), st.int(1), st.bytes(2)))
			}
			return stop
		}, ws.n)
		if stop != nil {
			return stop
		}
		if err != nil {
			return translate("snapshot", err)
		}
	}
	return nil
}

// Close implements store.Snapshot.
func (s *snapshot) Close() error {
	if s.c != nil {
		s.c.rollback()
		s.c.close()
		s.c = nil
	}
	return nil
}
