package ingest

import (
	"hash/maphash"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
)

// kinds of names, the strongest first.
const (
	byUser = iota
	byEmail
	byPhone
	byAnonymous
	byMessage
)

// name is one name that an event gives its person.
type name struct {
	kind  int
	value string
}

func (n name) stronger(m name) bool {
	return n.kind < m.kind || n.kind == m.kind && n.value < m.value
}

// seed makes lanes differ from one process to the next; nothing relies on which.
var seed = maphash.MakeSeed()

// route chooses a lane for each input. Inputs that share a name, directly or
// through others of the same call, get the same lane, so that their order holds;
// it is the lane of the strongest name among them, so that other calls about the
// same person mostly meet there.
func route(workspace string, inputs []event.Input, lanes int) []int {
	out := make([]int, len(inputs))
	if lanes == 1 {
		return out
	}
	var buf [6]name
	parent := make([]int, len(inputs))
	best := make([]name, len(inputs))
	first := make(map[name]int, 2*len(inputs))
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	for i := range inputs {
		parent[i] = i
		for k, n := range names(buf[:0], &inputs[i]) {
			if k == 0 || n.stronger(best[root(i)]) {
				best[root(i)] = n
			}
			j, seen := first[n]
			if !seen {
				first[n] = i
				continue
			}
			a, b := root(i), root(j)
			if a != b {
				if best[a].stronger(best[b]) {
					best[b] = best[a]
				}
				parent[a] = b
			}
		}
	}
	var h maphash.Hash
	for i := range inputs {
		n := best[root(i)]
		h.SetSeed(seed)
		h.WriteString(workspace)
		h.WriteByte(byte(n.kind))
		h.WriteString(n.value)
		out[i] = int(h.Sum64() % uint64(lanes))
	}
	return out
}

// names appends the names that in gives its person; its message id when none. A
// previous id may be of either kind.
func names(out []name, in *event.Input) []name {
	if in.UserID != "" {
		out = append(out, name{byUser, in.UserID})
	}
	if in.PreviousID != "" {
		out = append(out, name{byUser, in.PreviousID}, name{byAnonymous, in.PreviousID})
	}
	if len(in.Traits) > 0 {
		out = appendTrait(out, byEmail, in.Traits, "email")
		out = appendTrait(out, byPhone, in.Traits, "phone")
	}
	if in.AnonymousID != "" {
		out = append(out, name{byAnonymous, in.AnonymousID})
	}
	if len(out) == 0 {
		out = append(out, name{byMessage, in.MessageID})
	}
	return out
}

func appendTrait(out []name, kind int, traits bson.Raw, key string) []name {
	v, err := traits.LookupErr(key)
	if err != nil {
		return out
	}
	if s, ok := v.StringValueOK(); ok && s != "" {
		out = append(out, name{kind, strings.ToLower(strings.TrimSpace(s))})
	}
	return out
}
