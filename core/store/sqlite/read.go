package sqlite

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

// layout returns how a declared collection is stored.
func (s *Store) layout(spec *store.Spec) (*layout, error) {
	l := s.catalog.Load().byName[spec.Name]
	if l == nil {
		return nil, errUndeclared(spec.Name)
	}
	return l, nil
}

// Get implements store.Reader.
func (s *Store) Get(ctx context.Context, spec *store.Spec, ids []string) ([]bson.Raw, error) {
	l, err := s.layout(spec)
	if err != nil {
		return nil, err
	}
	out := make([]bson.Raw, len(ids))
	get := func(c *conn) error {
		st, err := c.prepare(l.get)
		if err != nil {
			return err
		}
		for i, id := range ids {
			if err := s.getOne(c, st, l, id, &out[i]); err != nil {
				return err
			}
		}
		return nil
	}
	defer s.aheadOfGet(ctx, l, ids)()
	if len(ids) == 1 {
		err = s.pool.with(ctx, get) // one statement is a transaction by itself
	} else if len(ids) > 1 {
		err = s.pool.read(ctx, get)
	}
	if err != nil {
		return nil, translate("get "+spec.Name, err)
	}
	return out, nil
}

func (s *Store) getOne(c *conn, st *stmt, l *layout, key string, out *bson.Raw) error {
	ws, id := cut(l.global, key)
	var n int64
	if !l.global {
		var ok bool
		var err error
		if n, ok, err = s.workspace(c, ws); err != nil || !ok {
			return err
		}
		if len(ws) == len(key) {
			return nil // not a key of this collection
		}
	}
	st.bindInt(1, n)
	st.bindText(2, id)
	defer st.reset()
	found, err := st.step()
	if found {
		*out = join(key[:len(key)-len(id)], id, st.int(0), st.bytes(1))
	}
	return err
}
