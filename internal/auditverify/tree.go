package auditverify

import (
	"errors"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// peaks are the roots of the perfect trees that a tree is made of, the largest first:
// one for each bit of its size.
type peaks struct {
	size   int64
	hashes []tlog.Hash
	tile   tlog.Hash // the root of the last full tile
}

func readPeaks(size int64, texts []string) (peaks, error) {
	p := peaks{size: size}
	if size < 0 || bits.OnesCount64(uint64(size)) != len(texts) {
		return p, errors.New("the frontier does not belong to its size")
	}
	for _, t := range texts {
		h, err := tlog.ParseHash(t)
		if err != nil {
			return p, errors.New("the frontier holds what is no hash")
		}
		p.hashes = append(p.hashes, h)
	}
	return p, nil
}

// add appends a leaf: two trees of one size become one.
func (p *peaks) add(h tlog.Hash) {
	width := 1
	for n := p.size; n&1 == 1; n >>= 1 {
		last := len(p.hashes) - 1
		h = tlog.NodeHash(p.hashes[last], h)
		p.hashes = p.hashes[:last]
		if width *= 2; width == tileWidth {
			p.tile = h
		}
	}
	p.hashes = append(p.hashes, h)
	p.size++
}

// root returns the hash of the whole tree; of an empty one that of nothing.
func (p *peaks) root() tlog.Hash {
	if len(p.hashes) == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := p.hashes[len(p.hashes)-1]
	for i := len(p.hashes) - 2; i >= 0; i-- {
		h = tlog.NodeHash(p.hashes[i], h)
	}
	return h
}
