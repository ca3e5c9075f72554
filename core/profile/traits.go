package profile

import (
	"cmp"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Registers. Every write of a leaf has a stamp: the source's priority, the event's
// time, the event's id. A write is beaten by a greater stamp at the same path or
// at one above it (whoever sets "address" to a string ends what was written below
// it before). The state is the set of writes that nothing beats, which does not
// depend on the order in which they come; that is why merging is joining and
// refolding gives the same bytes.
//
// A write above a newer one stays in the set, for it still beats late, older
// writes below it, but what it wrote can never be seen again: its value is
// dropped.

// maxPath is the longest path of a trait, in bytes.
const maxPath = 1000

var null = bson.RawValue{Type: bson.TypeNull}

// beats reports whether a's stamp is greater than b's.
func (t *Trait) beats(o *Trait) bool {
	return cmp.Or(
		cmp.Compare(t.Priority, o.Priority),
		t.At.Compare(o.At),
		strings.Compare(t.Event, o.Event),
	) > 0
}

// find returns where path is or belongs in the sorted registers.
func find(regs []Trait, path string) (int, bool) {
	return slices.BinarySearchFunc(regs, path, func(t Trait, p string) int { return strings.Compare(t.Path, p) })
}

// below returns the range of registers under path. An escaped path never ends in a
// lone backslash, so that path+"." begins nothing else.
func below(regs []Trait, path string) (from, to int) {
	from, _ = find(regs, path+".")
	to, _ = find(regs[from:], path+"/") // '/' follows '.'
	return from, from + to
}

// put adds a write to the registers and returns them; the slice is changed.
func put(regs []Trait, t Trait) []Trait {
	for end := range separators(t.Path) {
		if i, ok := find(regs, t.Path[:end]); ok {
			if regs[i].beats(&t) {
				return regs
			}
			regs[i].Value = null // hidden from now on, whether by t or by what beats t
		}
	}
	i, exists := find(regs, t.Path)
	if exists && regs[i].beats(&t) {
		return regs
	}
	from, to := below(regs, t.Path)
	kept := from
	for j := from; j < to; j++ {
		if !t.beats(&regs[j]) {
			regs[kept] = regs[j]
			kept++
		}
	}
	if kept > from {
		t.Value = null
	}
	regs = slices.Delete(regs, kept, to)
	if exists {
		regs[i] = t
		return regs
	}
	return slices.Insert(regs, i, t)
}

// separators yields the offset of each unescaped dot: path[:offset] is a path
// above it.
func separators(path string) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i := 0; i < len(path); i++ {
			switch path[i] {
			case '\\':
				i++
			case '.':
				if !yield(i) {
					return
				}
			}
		}
	}
}

// joinTraits returns the registers that both hold. Neither is changed.
func joinTraits(a, b []Trait) []Trait {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Grow(slices.Clone(a), len(b))
	for _, t := range b {
		out = put(out, t)
	}
	return out
}

// flatten calls f with every leaf of a document, objects taken apart. Empty
// objects have none.
func flatten(doc bson.Raw, prefix string, f func(path string, v bson.RawValue)) {
	elems, err := doc.Elements()
	if err != nil {
		return
	}
	for _, e := range elems {
		path := escape(e.Key())
		if prefix != "" {
			path = prefix + "." + path
		}
		v := e.Value()
		if sub, ok := v.DocumentOK(); ok {
			flatten(sub, path, f)
			continue
		}
		f(path, v)
	}
}

var escaper = strings.NewReplacer(`\`, `\\`, `.`, `\.`)

// escape writes a key as a segment of a path.
func escape(key string) string {
	if !strings.ContainsAny(key, `\.`) {
		return key
	}
	return escaper.Replace(key)
}

// segments takes a path apart into keys.
func segments(path string) []string {
	var out []string
	start := 0
	for end := range separators(path) {
		out = append(out, unescape(path[start:end]))
		start = end + 1
	}
	return append(out, unescape(path[start:]))
}

func unescape(segment string) string {
	if !strings.Contains(segment, `\`) {
		return segment
	}
	var b strings.Builder
	for i := 0; i < len(segment); i++ {
		if segment[i] == '\\' && i+1 < len(segment) {
			i++
		}
		b.WriteByte(segment[i])
	}
	return b.String()
}

// traitBytes is the size that MaxTraitBytes bounds.
func traitBytes(regs []Trait) int {
	n := 0
	for i := range regs {
		n += len(regs[i].Path) + len(regs[i].Value.Value)
	}
	return n
}
