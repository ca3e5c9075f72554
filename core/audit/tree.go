package audit

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/headwater-cdp/headwater/core/store"
)

// tileHeight is the height of the tiles: 256 hashes each.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// tree is the right edge of a workspace's Merkle tree: the last tile of each level,
// which is all that appending needs. Level L holds the roots of the full tiles of level
// L-1, that is the tree's hashes of level 8L.
type tree struct {
	ws    string
	size  int64
	edge  []*tileDoc // by level; the last tile, which may be empty and then is not stored
	dirty []*tileDoc
}

func tileKey(ws string, level int, n int64) string {
	return store.Key(ws, fmt.Sprintf("%d", level), fmt.Sprintf("%010x", n))
}

// loadTree reads the right edge of a tree of a size.
func loadTree(ctx context.Context, r store.Reader, ws string, size int64) (*tree, error) {
	t := &tree{ws: ws, size: size}
	var ids []string
	for n := size; n > 0; n >>= tileHeight {
		ids = append(ids, tileKey(ws, len(ids), n/tileWidth))
	}
	docs, err := tiles.GetMany(ctx, r, ids)
	if err != nil {
		return nil, err
	}
	n := size
	for i, d := range docs {
		width := int(n % tileWidth)
		if d == nil {
			d = &tileDoc{Meta: store.Meta{ID: ids[i]}}
		}
		if len(d.Hashes) < width*tlog.HashSize {
			return nil, fmt.Errorf("audit: tile %d of level %d has %d hashes, not %d", n/tileWidth, i, len(d.Hashes)/tlog.HashSize, width)
		}
		d.Hashes = d.Hashes[: width*tlog.HashSize : width*tlog.HashSize] // the log may be longer by now
		t.edge = append(t.edge, d)
		n >>= tileHeight
	}
	return t, nil
}

// add appends the hash of a record.
func (t *tree) add(h tlog.Hash) {
	n := t.size
	t.size++
	for level := 0; ; level++ {
		if level == len(t.edge) {
			t.edge = append(t.edge, &tileDoc{Meta: store.Meta{ID: tileKey(t.ws, level, 0)}})
		}
		d := t.edge[level]
		if !t.isDirty(d) {
			t.dirty = append(t.dirty, d)
		}
		d.Hashes = append(d.Hashes, h[:]...)
		if len(d.Hashes) < tileWidth*tlog.HashSize {
			return
		}
		h = rootOf(d.Hashes)
		n >>= tileHeight
		t.edge[level] = &tileDoc{Meta: store.Meta{ID: tileKey(t.ws, level, n+1)}}
	}
}

func (t *tree) isDirty(d *tileDoc) bool {
	for _, o := range t.dirty {
		if o == d {
			return true
		}
	}
	return false
}

// rootOf returns the root of a perfect tree over hashes, a power of two of them.
func rootOf(hashes []byte) tlog.Hash {
	if len(hashes) == tlog.HashSize {
		return tlog.Hash(hashes)
	}
	half := len(hashes) / 2
	return tlog.NodeHash(rootOf(hashes[:half]), rootOf(hashes[half:]))
}

// peaks returns the roots of the perfect trees that the tree is made of, the largest
// first: with them anybody can go on from here.
func (t *tree) peaks() []tlog.Hash {
	var out []tlog.Hash
	for level := len(t.edge) - 1; level >= 0; level-- {
		out = append(out, peaksOf(t.edge[level].Hashes)...)
	}
	return out
}

func peaksOf(hashes []byte) []tlog.Hash {
	var out []tlog.Hash
	for len(hashes) > 0 {
		n := tlog.HashSize
		for 2*n <= len(hashes) {
			n *= 2
		}
		out = append(out, rootOf(hashes[:n]))
		hashes = hashes[n:]
	}
	return out
}

// root returns the hash of the whole tree.
func (t *tree) root() tlog.Hash { return fold(t.peaks()) }

// fold returns the hash of the tree with these peaks.
func fold(peaks []tlog.Hash) tlog.Hash {
	if len(peaks) == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := peaks[len(peaks)-1]
	for i := len(peaks) - 2; i >= 0; i-- {
		h = tlog.NodeHash(peaks[i], h)
	}
	return h
}

// ops returns the operations that store what changed.
func (t *tree) ops() []store.Op {
	out := make([]store.Op, len(t.dirty))
	for i, d := range t.dirty {
		out[i] = tiles.Put(d)
	}
	return out
}

// stored says that the operations were committed.
func (t *tree) stored() {
	for _, d := range t.dirty {
		d.V++
	}
	t.dirty = nil
}

// hashReader reads the hashes of a stored tree by their index in it.
func hashReader(ctx context.Context, r store.Reader, ws string) tlog.HashReaderFunc {
	return func(indexes []int64) ([]tlog.Hash, error) {
		var ids []string
		at := make(map[string]int, len(indexes))
		wanted := make([]tlog.Tile, len(indexes))
		for i, index := range indexes {
			wanted[i] = tlog.TileForIndex(tileHeight, index)
			id := tileKey(ws, wanted[i].L, wanted[i].N)
			if _, ok := at[id]; !ok {
				at[id] = len(ids)
				ids = append(ids, id)
			}
		}
		docs, err := tiles.GetMany(ctx, r, ids)
		if err != nil {
			return nil, err
		}
		out := make([]tlog.Hash, len(indexes))
		for i, t := range wanted {
			d := docs[at[tileKey(ws, t.L, t.N)]]
			if d == nil {
				return nil, fmt.Errorf("audit: tile %d of level %d is missing", t.N, t.L)
			}
			if out[i], err = tlog.HashFromTile(t, d.Hashes, indexes[i]); err != nil {
				return nil, fmt.Errorf("audit: tile %d of level %d: %w", t.N, t.L, err)
			}
		}
		return out, nil
	}
}
