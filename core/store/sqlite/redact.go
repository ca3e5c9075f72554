package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/headwater-cdp/headwater/core/store"
)

var _ store.Scrubber = (*Store)(nil)

// redactedKey stands in the change log for a key that is forgotten.
const redactedKey = "erased"

// fewKeys is how many keys are looked for as bytes, before it pays to read the rows.
const fewKeys = 8

// redact takes keys out of the change log. Rows keep their numbers and their changes
// their places, so that tokens stay what they are.
func (s *Store) redact(ctx context.Context, keys []string) error {
	gone := map[string]bool{}
	var texts [][]byte
	for _, key := range keys {
		if rest := store.Rest(key); rest != "" {
			gone[rest] = true
			texts = append(texts, []byte(rest))
		}
	}
	if len(texts) == 0 {
		return nil
	}
	var rows []int64
	err := s.pool.with(ctx, func(c *conn) error {
		return c.during(ctx, func() error {
			return c.each("SELECT seq, body FROM changes", func(st *stmt) error {
				body := st.bytes(1)
				hit := false
				if len(texts) <= fewKeys {
					hit = slices.ContainsFunc(texts, func(t []byte) bool { return bytes.Contains(body, t) })
				} else if err := eachChange(body, func(ch change) { hit = hit || gone[ch.id] }); err != nil {
					return err
				}
				if hit {
					rows = append(rows, st.int(0))
				}
				return nil
			})
		})
	})
	if err != nil {
		return translate("redact", err)
	}
	for some := range slices.Chunk(rows, 500) {
		err := s.exclusive(ctx, func(c *conn) error {
			for _, seq := range some {
				if err := redactRow(c, seq, gone); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return translate("redact", err)
		}
	}
	return nil
}

func redactRow(c *conn, seq int64, gone map[string]bool) error {
	var body, out []byte
	err := c.each("SELECT body FROM changes WHERE seq = ?", func(st *stmt) error {
		body = bytes.Clone(st.bytes(0))
		return nil
	}, seq)
	if err != nil || body == nil {
		return err
	}
	err = eachChange(body, func(ch change) {
		if gone[ch.id] {
			ch.id = redactedKey
		}
		out = appendChange(out, ch.collection, ch.workspace, ch.kind, ch.version, ch.id)
	})
	if err != nil {
		return err
	}
	s, err := c.prepare("UPDATE changes SET body = ? WHERE seq = ?")
	if err != nil {
		return err
	}
	s.bindBlob(1, out)
	s.bindInt(2, seq)
	if err := s.run(); err != nil {
		return fmt.Errorf("change log: %w", err)
	}
	return nil
}
