package audit

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/headwater-cdp/headwater/core/audit/journal"
	"github.com/headwater-cdp/headwater/core/store"
)

// pendingDoc holds entries that are durable and not in the log yet. Its key is
// workspace/ULID: the sequencer takes them by age.
type pendingDoc struct {
	store.Meta `bson:",inline"`
	Bodies     []byte     `bson:"b"` // each with its length before it
	Sets       []setChunk `bson:"s,omitempty"`
}

// setChunk is a chunk of the set of subjects of an entry, by its place in the document.
type setChunk struct {
	Entry int    `bson:"e"`
	Data  []byte `bson:"d"`
}

// item is an entry as it is written: its body, and the chunks of its set of subjects
// that are not stored yet.
type item struct {
	Body []byte
	Sets [][]byte
}

// size is how many bytes are stored of it.
func (it *item) size() int {
	n := len(it.Body)
	for _, data := range it.Sets {
		n += len(data)
	}
	return n
}

// newPending makes a document of items.
func newPending(id string, items []item) *pendingDoc {
	size := 0
	for _, it := range items {
		size += len(it.Body) + binary.MaxVarintLen32
	}
	d := &pendingDoc{Meta: store.Meta{ID: id}, Bodies: make([]byte, 0, size)}
	for i, it := range items {
		d.Bodies = append(binary.AppendUvarint(d.Bodies, uint64(len(it.Body))), it.Body...)
		for _, data := range it.Sets {
			d.Sets = append(d.Sets, setChunk{i, data})
		}
	}
	return d
}

// items takes the document apart again.
func (d *pendingDoc) items() ([]item, error) {
	bodies, err := splitBodies(d.Bodies, 8)
	out := make([]item, len(bodies))
	for i, b := range bodies {
		out[i].Body = b
	}
	for _, c := range d.Sets {
		if c.Entry < 0 || c.Entry >= len(out) {
			return nil, io.ErrUnexpectedEOF
		}
		out[c.Entry].Sets = append(out[c.Entry].Sets, c.Data)
	}
	return out, err
}

// splitBodies takes bodies with their lengths apart; about is how many there are.
func splitBodies(raw []byte, about int64) ([][]byte, error) {
	out := make([][]byte, 0, about)
	for len(raw) > 0 {
		n, w := binary.Uvarint(raw)
		if w <= 0 || n > uint64(len(raw)-w) {
			return nil, io.ErrUnexpectedEOF
		}
		out = append(out, raw[w:w+int(n):w+int(n)])
		raw = raw[w+int(n):]
	}
	return out, nil
}

// block is up to 256 entries in the order of the log. Its key is workspace/first, in
// sixteen hexadecimal digits. The lists say what can be found in it; a block whose
// bodies were dropped has none of them, and is in no index.
type block struct {
	store.Meta `bson:",inline"`
	First      int64     `bson:"first"`
	N          int64     `bson:"n"`
	At         time.Time `bson:"at"`               // when it was put in; no entry of it is younger
	Sealed     time.Time `bson:"sealed,omitempty"` // the same, until its bodies are dropped
	Bodies     []byte    `bson:"bodies,omitempty"` // lengths and bodies, compressed: see pack
	Actors     []string  `bson:"actors,omitempty"`
	Actions    []string  `bson:"actions,omitempty"`
	Purposes   []string  `bson:"purposes,omitempty"`
	Decisions  []string  `bson:"decisions,omitempty"`
	Requests   []string  `bson:"requests,omitempty"` // of an earlier version's; now in runs: see index.go
	Subjects   []string  `bson:"subjects,omitempty"` // the same: pseudonyms, of identifiers too
	Sets       int64     `bson:"sets,omitempty"`     // 1: some entry has a larger set of subjects
}

// setDoc is a chunk of a set of subjects; see set.go. Its key is workspace/aud_…/n.
type setDoc struct {
	store.Meta `bson:",inline"`
	Data       []byte `bson:"data"`
}

// openDoc is an operation's entry while it goes on: what is known of it, so that it
// comes into the log though its process dies. Its key is workspace/aud_….
type openDoc struct {
	store.Meta `bson:",inline"`
	Entry      Entry     `bson:"entry"`
	Asked      []string  `bson:"asked,omitempty"` // pseudonyms of the identifiers that were asked for
	Sets       []string  `bson:"sets"`
	Touched    time.Time `bson:"touched"`
}

// tileDoc is a tile of height 8 of the tree: up to 256 hashes. Its key is
// workspace/level/number, the number in hexadecimal digits.
type tileDoc struct {
	store.Meta `bson:",inline"`
	Hashes     []byte `bson:"h"`
}

// headDoc is the newest state of a workspace's log. Its key is workspace/head.
type headDoc struct {
	store.Meta `bson:",inline"`
	Size       int64         `bson:"size"`
	Root       []byte        `bson:"root"`
	Note       []byte        `bson:"note"` // the signed checkpoint
	KeyHash    int64         `bson:"keyHash"`
	At         time.Time     `bson:"at"`
	Lag        time.Duration `bson:"lag"`               // the longest that an entry waited to be put in
	Dropped    int64         `bson:"dropped"`           // how many of the first entries have no body any more
	Jumped     time.Time     `bson:"jumped,omitempty"`  // when time last went on by more than clockJump at once
	Marks      journal.Marks `bson:"marks,omitempty"`   // how far the journal's files are in the log
	Taken      []string      `bson:"taken,omitempty"`   // what the last batch took of an earlier version's journal
	Cleaned    int64         `bson:"cleaned,omitempty"` // of how many of those without a body the index says nothing any more
}

// linkDoc connects the pseudonym of an identifier with those of the profiles that had
// it, for people who are erased. Its key is workspace/pseudonym.
type linkDoc struct {
	store.Meta `bson:",inline"`
	Profiles   []string `bson:"profiles"`
}

// settingsDoc is how long a workspace keeps its entries. Its key is workspace/settings.
type settingsDoc struct {
	store.Meta `bson:",inline"`
	Months     int       `bson:"months"`           // 0: for ever
	From       time.Time `bson:"from,omitempty"`   // since when that counts; zero: always
	Before     int       `bson:"before,omitempty"` // what counts until then
}

// The collections. None holds anything but pseudonyms: erasure has nothing to do here.
var (
	pendings = store.Declare[pendingDoc](store.Spec{Name: "audit_pending"})
	blocks   = store.Declare[block](store.Spec{Name: "audit_blocks", Indexes: []store.Index{
		store.On("sealed").WithFewTies(),
		store.On("actors[]", "first").WithFewTies(), store.On("actions[]", "first").WithFewTies(),
		store.On("purposes[]", "first").WithFewTies(), store.On("decisions[]", "first").WithFewTies(),
		store.On("requests[]", "first").WithFewTies(), store.On("subjects[]", "first").WithFewTies(),
		store.On("sets", "first").WithFewTies(),
	}})
	sets     = store.Declare[setDoc](store.Spec{Name: "audit_sets"})
	opens    = store.Declare[openDoc](store.Spec{Name: "audit_open"})
	tiles    = store.Declare[tileDoc](store.Spec{Name: "audit_tiles"})
	heads    = store.Declare[headDoc](store.Spec{Name: "audit_heads"})
	links    = store.Declare[linkDoc](store.Spec{Name: "audit_links"})
	settings = store.Declare[settingsDoc](store.Spec{Name: "audit_settings"})
)

// EarlierSpecs lists the collections of what was a journal before: see TakeOver.
func EarlierSpecs() []*store.Spec { return []*store.Spec{pendings.Spec} }

// Specs lists the collections of this package.
func Specs() []*store.Spec {
	return []*store.Spec{
		pendings.Spec, blocks.Spec, runs.Spec, sets.Spec, opens.Spec, tiles.Spec, heads.Spec, links.Spec, settings.Spec,
	}
}
