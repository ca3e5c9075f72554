package sqlite

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core/store"
)

// place is a place in the change log: the number of a batch and how many of its
// changes are passed.
type place struct {
	seq int64
	off int
}

// token writes the place so that later ones are greater as text, too.
func (p place) token() store.Token {
	return store.Token(fmt.Sprintf("%013x.%03x", p.seq, p.off))
}

func parseToken(t store.Token) (place, error) {
	seq, off, ok := strings.Cut(string(t), ".")
	s, err1 := strconv.ParseInt(seq, 16, 64)
	o, err2 := strconv.ParseInt(off, 16, 32)
	if !ok || err1 != nil || err2 != nil || s < 0 || o < 0 {
		return place{}, store.ErrBadCursor
	}
	return place{s, int(o)}, nil
}

// change is one change as a row of the log holds it.
type change struct {
	collection, workspace int64
	kind                  store.ChangeKind
	version               int64
	id                    string
}

// appendChange writes a change: collection and kind, workspace, version (not for a
// deletion), length and text of the key's rest.
func appendChange(b []byte, collection, workspace int64, kind store.ChangeKind, version int64, id string) []byte {
	b = binary.AppendUvarint(b, uint64(collection)<<2|uint64(kind))
	b = binary.AppendUvarint(b, uint64(workspace))
	if kind != store.Deleted {
		b = binary.AppendUvarint(b, uint64(version))
	}
	b = binary.AppendUvarint(b, uint64(len(id)))
	return append(b, id...)
}

// eachChange reads a row of the log.
func eachChange(body []byte, f func(change)) error {
	for len(body) > 0 {
		var n [4]uint64
		for i := range n {
			if i == 2 && n[0]&3 == uint64(store.Deleted) {
				continue
			}
			v, size := binary.Uvarint(body)
			if size <= 0 {
				return fmt.Errorf("sqlite: a row of the change log is damaged")
			}
			n[i], body = v, body[size:]
		}
		if n[3] > uint64(len(body)) {
			return fmt.Errorf("sqlite: a row of the change log is damaged")
		}
		f(change{
			collection: int64(n[0] >> 2), kind: store.ChangeKind(n[0] & 3),
			workspace: int64(n[1]), version: int64(n[2]), id: string(body[:n[3]]),
		})
		body = body[n[3]:]
	}
	return nil
}

// newest returns the place of the latest commit. Call it in a transaction.
func newest(c *conn) (place, error) {
	var p place
	err := c.each("SELECT seq, body FROM changes ORDER BY seq DESC LIMIT 1", func(s *stmt) error {
		p.seq = s.int(0)
		return eachChange(s.bytes(1), func(change) { p.off++ })
	})
	return p, err
}

// oldest returns the number and time of the earliest kept batch; 0 when there is
// none.
func oldest(c *conn) (seq, at int64, err error) {
	err = c.each("SELECT seq, at FROM changes ORDER BY seq LIMIT 1", func(s *stmt) error {
		seq, at = s.int(0), s.int(1)
		return nil
	})
	return seq, at, err
}

// pruneSlice is how many batches one group forgets at most: more than it can add.
const pruneSlice = 256

// prune forgets what is older than the retention and returns the time of the
// oldest batch within it. It takes batches from the beginning of the log only, so
// that no gap comes of clocks that differ. The newest batch always stays, and so
// does the last one before those within the retention: whoever stands there has
// missed nothing, however long it was the latest.
func prune(c *conn, before, newest int64) (int64, error) {
	var first, at int64 // of what stays
	var previous int64
	err := c.each("SELECT seq, at FROM changes ORDER BY seq LIMIT ?", func(s *stmt) error {
		if first == 0 && (s.int(1) >= before || s.int(0) == newest) {
			first, at = cmp.Or(previous, s.int(0)), s.int(1)
		}
		previous = s.int(0)
		return nil
	}, pruneSlice+1)
	if err != nil {
		return 0, err
	}
	if first == 0 { // all of them are old: keep the last, whose turn comes
		err = c.each("SELECT seq, at FROM changes ORDER BY seq LIMIT 1 OFFSET ?", func(s *stmt) error {
			first, at = s.int(0), s.int(1)
			return nil
		}, pruneSlice)
		if err != nil {
			return 0, err
		}
	}
	return at, c.exec("DELETE FROM changes WHERE seq < ?", first)
}
