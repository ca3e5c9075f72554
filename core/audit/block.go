package audit

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// A block holds at most so many entries and so many bytes of them.
const (
	blockEntries = 256
	blockBytes   = 1 << 20
)

func blockKey(ws string, first int64) string { return store.Key(ws, fmt.Sprintf("%016x", first)) }

// builder fills a block.
type builder struct {
	block  block
	bodies []byte // each with its length before it
	marks  []mark // of those whom the entries are about, and of their requests
}

func newBuilder(ws string, first int64) *builder {
	return &builder{block: block{Meta: store.Meta{ID: blockKey(ws, first)}, First: first}}
}

func (b *builder) full() bool {
	return b.block.N == blockEntries || len(b.bodies) > blockBytes
}

// add appends an entry, and notes what it can be found by.
func (b *builder) add(raw []byte, e *body) {
	b.block.N++
	b.bodies = binary.AppendUvarint(b.bodies, uint64(len(raw)))
	b.bodies = append(b.bodies, raw...)
	once(&b.block.Actors, e.Actor)
	once(&b.block.Actions, e.Action)
	once(&b.block.Purposes, e.Purpose)
	once(&b.block.Decisions, e.Decision)
	if e.RequestID != "" {
		b.marks = append(b.marks, markOf(markRequest, e.RequestID))
	}
	for _, s := range e.Subjects {
		b.marks = append(b.marks, markOf(markSubject, s))
	}
	for _, s := range e.Identifiers {
		b.marks = append(b.marks, markOf(markSubject, s))
	}
	if len(e.SubjectSet) > 0 {
		b.block.Sets = 1
	}
}

// once adds a value to a list that has it at most once. Neighbours are alike more often
// than not.
func once(list *[]string, v string) {
	if v == "" || len(*list) > 0 && (*list)[len(*list)-1] == v || slices.Contains(*list, v) {
		return
	}
	*list = append(*list, v)
}

func (b *builder) finish(at time.Time) (*block, error) {
	b.block.At, b.block.Sealed = at, at
	var err error
	b.block.Bodies, err = pack(b.bodies)
	return &b.block, err
}

var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(io.Discard, flate.BestSpeed) // the level is one that there is
	return w
}}

func pack(raw []byte) ([]byte, error) {
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	var out bytes.Buffer
	out.Grow(len(raw)/4 + 64)
	w.Reset(&out)
	_, err := w.Write(raw)
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

var inflaters = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}

// bodiesOf returns the bodies of a block's entries, or nil when they were dropped.
func (b *block) bodiesOf() ([][]byte, error) {
	if b.Sealed.IsZero() {
		return nil, nil
	}
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(b.Bodies), nil); err != nil {
		return nil, damaged(b, err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, damaged(b, err)
	}
	out, err := splitBodies(raw, b.N)
	if err == nil && int64(len(out)) != b.N {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, damaged(b, err)
	}
	return out, nil
}

func damaged(b *block, err error) error {
	return fmt.Errorf("audit: the block from index %d is damaged: %w", b.First, err)
}
