package audit

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/headwater-cdp/headwater/core/store"
)

// The index of subjects and requests is of blocks, not of entries: a mark says that
// something occurs in the block that begins with an index. Every entry has marks of its
// own, a person, an identifier and a request, so they are not rows of the store's, which
// cost more than all else that an entry does, but sorted runs of numbers.
//
// What a batch adds goes into the log's tail, in runs of about tailMarks. When the log
// has another era of entries, the tail's runs of the one before become one run in parts,
// and eight of these one of an age; each part holds the marks whose first bits are its
// number. A mark only ever goes that way: who looks at the tail first, then at the eras,
// then at the ages, misses none. Some may be met twice.

// mark is the first 44 bits of the hash of what occurs, and in the others the block's distance from the
// beginning of its era or age.
type mark uint64

const (
	placeBits = 20
	placeMask = 1<<placeBits - 1
)

// tailMarks is how many marks a run of the tail has when the next begins.
const tailMarks = 2048

// layer is a kind of run.
type layer struct {
	name    string // in the key
	entries int64  // whose blocks begin in it
	bits    int    // of a mark's, that are the number of the part
}

var (
	eras = layer{"1", 8 << 10, 5}
	ages = layer{"2", 64 << 10, 8}
)

// The kinds of what occurs.
const (
	markSubject = 's' // a pseudonym, of a person or an identifier
	markRequest = 'r'
)

// markOf returns the mark of what occurs, without a place. Two things of one mark cost a
// look into a block, no more.
func markOf(kind byte, value string) mark {
	h := (uint64(14695981039346656037) ^ uint64(kind)) * 1099511628211
	for i := range len(value) {
		h = (h ^ uint64(value[i])) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return mark(h &^ placeMask)
}

// runDoc is a run of marks, sorted, eight bytes each. Its key is workspace/t/first for one
// of the tail, by the first entry that it began with, and workspace/layer/number/part.
type runDoc struct {
	store.Meta `bson:",inline"`
	Marks      []byte `bson:"m"`
}

var runs = store.Declare[runDoc](store.Spec{Name: "audit_index"})

func tailKey(ws string, first int64) string { return store.Key(ws, "t", fmt.Sprintf("%016x", first)) }

func (l layer) key(ws string, n int64, part int) string {
	return store.Key(ws, l.name, fmt.Sprintf("%010x", n), fmt.Sprintf("%02x", part))
}

// part returns the number of the part that a mark is in.
func (l layer) part(m mark) int { return int(m >> (64 - l.bits)) }

// number returns which era or age an entry is in.
func (l layer) number(index int64) int64 { return index / l.entries }

// numberOf returns that of a key.
func (l layer) numberOf(key string) (n int64, err error) {
	_, err = fmt.Sscanf(store.Rest(key), l.name+"/%x/", &n)
	return n, err
}

// marks returns what a run holds.
func (d *runDoc) marks() []mark {
	out := make([]mark, len(d.Marks)/8)
	for i := range out {
		out[i] = d.at(i)
	}
	return out
}

func (d *runDoc) at(i int) mark { return mark(binary.BigEndian.Uint64(d.Marks[8*i:])) }

// set makes marks, which it sorts, what the run holds.
func (d *runDoc) set(marks []mark) {
	slices.Sort(marks)
	marks = slices.Compact(marks)
	d.Marks = make([]byte, 0, 8*len(marks))
	for _, m := range marks {
		d.Marks = binary.BigEndian.AppendUint64(d.Marks, uint64(m))
	}
}

// find appends where blocks begin in which something occurs; begin is where the era or age
// does.
func (d *runDoc) find(to []int64, what mark, begin int64) []int64 {
	n := len(d.Marks) / 8
	for i := sort.Search(n, func(i int) bool { return d.at(i) >= what }); i < n; i++ {
		m := d.at(i)
		if m&^placeMask != what {
			break
		}
		to = append(to, begin+int64(m&placeMask))
	}
	return to
}

// tail is the last run of a log's index, to which its sequencer adds.
type tail struct {
	ws    string
	era   int64
	doc   *runDoc // nil: the next mark begins one
	marks []mark  // of doc
	done  []store.Op
	dirty bool
}

// add takes the marks of the block that begins with an index, without their places.
func (t *tail) add(first int64, marks []mark) {
	if len(marks) == 0 {
		return
	}
	if era := eras.number(first); t.doc == nil || t.era != era || len(t.marks) >= tailMarks {
		t.seal()
		t.doc, t.era, t.marks = &runDoc{Meta: store.Meta{ID: tailKey(t.ws, first)}}, era, nil
	}
	place := mark(first % eras.entries)
	for _, m := range marks {
		t.marks = append(t.marks, m|place)
	}
	t.dirty = true
}

// seal makes the operation of the run as it is, where it changed.
func (t *tail) seal() {
	if t.dirty {
		t.doc.set(t.marks)
		t.done = append(t.done, runs.Put(t.doc))
	}
	t.dirty = false
}

// ops returns the operations that store what was added.
func (t *tail) ops() []store.Op {
	t.seal()
	return t.done
}

// stored says that they were committed.
func (t *tail) stored() {
	if len(t.done) > 0 {
		t.doc.V++ // the last of them is of it
	}
	t.done = nil
}
