package store

import (
	"fmt"
	"strings"

	"github.com/headwater-cdp/headwater/core"
)

// Spec declares a collection: its name, the indexes it is queried by, and what
// erasure and access exports need to know of it.
type Spec struct {
	Name string
	// Global collections hold keys that do not begin with a workspace: only
	// workspaces, keys and policy texts (by hash), webhook routes, work (by shard) and the store's
	// own version are.
	Global bool
	// Derived collections are folds of primary ones: rebuild throws them away.
	Derived bool
	// Subject is the path of the field that holds the subject's profile or part
	// id ("_id" when the key does); "" when the collection holds no personal data.
	Subject string
	// Data gives the category of each path that may hold personal data; "*" is
	// the whole document.
	Data map[string]core.Category
	// Reach says how erasure finds a person's documents where Subject does not.
	Reach Reach
	// Indexes serve the queries. Every collection can also be read by key.
	Indexes []Index
}

// Reach says how the documents of one person are found in a collection.
type Reach string

// The ways. A collection with Data and without a Subject names one of the last three.
const (
	ReachSubject Reach = ""       // Subject holds part ids and is "_id", the key's last or first element, or the first field of an index
	ReachFinder  Reach = "finder" // core/privacy knows how: the collection names people otherwise
	ReachSearch  Reach = "search" // small: it is read whole, and what names the person is found by its values
	ReachNobody  Reach = "nobody" // what it holds is about no data subject, or must outlive one
)

// Index is an ordered list of fields. In a collection that is not global the
// engine puts the workspace before them. A document without a value for each of
// the fields is not in the index. Entries that are equal are ordered by _id,
// ascending (descending when the index is walked backwards).
type Index struct {
	Name   string
	Fields []IndexField
	// FewTies says that few documents share the values of all fields. The embedded
	// engine then keeps the key out of the entries, which makes writing cheaper, and
	// sorts ties when it reads. Without it a page costs the same however many tie.
	FewTies bool
}

// WithFewTies returns ix with FewTies set: for the indexes of the hot path.
func (ix Index) WithFewTies() Index {
	ix.FewTies = true
	return ix
}

// IndexField is one field of an index. A path must always hold the same one of
// string, int64, bool or time (UTC milliseconds).
type IndexField struct {
	Path string // dotted
	Desc bool
	// Multi: an array. The document is found under each element: by equality, or, when
	// the index has no other field, by a range that at least one single element lies in.
	Multi bool
}

// On declares an index: On("part", "-at") orders by part ascending, then at
// descending; "tags[]" finds a document under each element of the array tags.
// At most one field is multi-valued, and it comes first.
func On(fields ...string) Index {
	ix := Index{Name: strings.Join(fields, ",")} // of two different indexes, never the same
	for i, f := range fields {
		var d IndexField
		if d.Desc = strings.HasPrefix(f, "-"); d.Desc {
			f = f[1:]
		}
		if d.Multi = strings.HasSuffix(f, "[]"); d.Multi {
			f = strings.TrimSuffix(f, "[]")
			if i > 0 {
				panic(fmt.Sprintf("store: index %s: a multi-valued field comes first", ix.Name))
			}
		}
		d.Path = f
		ix.Fields = append(ix.Fields, d)
	}
	return ix
}

// Key joins a workspace and the rest of a key: Key("ws_1", "email", "a@b.c") is
// "ws_1/email/a@b.c".
func Key(workspace string, rest ...string) string {
	return workspace + "/" + strings.Join(rest, "/")
}

// WorkspaceOf returns the part of a key before the first slash.
func WorkspaceOf(key string) string {
	ws, _, _ := strings.Cut(key, "/")
	return ws
}

// Rest returns the part of a key after the first slash.
func Rest(key string) string {
	_, rest, _ := strings.Cut(key, "/")
	return rest
}
