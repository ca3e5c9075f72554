package profile

import (
	"encoding/json"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
)

// visible returns the registers that say something: not cleared, not hidden.
func visible(regs []Trait) []Trait {
	out := make([]Trait, 0, len(regs))
	for _, t := range regs {
		if t.Value.Type != bson.TypeNull {
			out = append(out, t)
		}
	}
	return out
}

// TraitsJSON returns the profile's traits as one JSON object: all of them, or those
// at or under the given paths, which are written as those of registers. A path that
// holds nothing is left out.
func TraitsJSON(p *Profile, paths []string) ([]byte, error) {
	regs := visible(p.Traits)
	if paths != nil {
		paths = slices.Clone(paths)
		for i, path := range paths {
			paths[i] = TraitPath(path)
		}
		regs = slices.DeleteFunc(regs, func(t Trait) bool {
			return !slices.ContainsFunc(paths, func(path string) bool {
				return t.Path == path || strings.HasPrefix(t.Path, path+".")
			})
		})
	}
	return writeTree([]byte{}, regs, 0)
}

// writeTree writes registers, sorted, as an object; depth segments of their paths
// are written already. Registers under one key are neighbours, since nothing
// visible stands above something visible.
func writeTree(b []byte, regs []Trait, depth int) ([]byte, error) {
	b = append(b, '{')
	first := true
	for len(regs) > 0 {
		segs := segments(regs[0].Path)
		n := 1
		if len(segs) > depth+1 {
			prefix := pathOf(segs[:depth+1]) + "."
			for n < len(regs) && strings.HasPrefix(regs[n].Path, prefix) {
				n++
			}
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		key, err := json.Marshal(segs[depth])
		if err != nil {
			return nil, err
		}
		b = append(append(b, key...), ':')
		if len(segs) > depth+1 {
			b, err = writeTree(b, regs[:n], depth+1)
		} else {
			var v []byte
			v, err = event.ValueToJSON(regs[0].Value)
			b = append(b, v...)
		}
		if err != nil {
			return nil, err
		}
		regs = regs[n:]
	}
	return append(b, '}'), nil
}

// TraitPath writes a path as registers have it, where a caller escaped more or less
// than it had to.
func TraitPath(path string) string { return pathOf(segments(path)) }

func pathOf(segs []string) string {
	out := make([]string, len(segs))
	for i, s := range segs {
		out[i] = escape(s)
	}
	return strings.Join(out, ".")
}

// TraitAt returns the trait at a path, or nil where nothing was ever written. One
// that was cleared has a null value. At the path of an object it is the object as a
// document, with the provenance of its latest write.
func (p *Profile) TraitAt(path string) *Trait {
	path = TraitPath(path) // a lone backslash would reach into a key
	from, to := below(p.Traits, path)
	if from < to {
		leaves := visible(p.Traits[from:to])
		latest := p.Traits[from]
		for _, t := range p.Traits[from+1 : to] {
			if t.beats(&latest) {
				latest = t
			}
		}
		latest.Path = path
		latest.Value = null
		if len(leaves) > 0 {
			raw, err := bson.Marshal(tree(leaves, len(segments(path))))
			if err != nil {
				return nil
			}
			latest.Value = bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw}
		}
		return &latest
	}
	i, ok := find(p.Traits, path)
	if !ok {
		return nil
	}
	t := p.Traits[i]
	return &t
}

// Values returns the traits as nested maps, those alone that keep says yes to; nil keeps
// // all. Leaves are as the BSON decoder makes them: string, int64, float64, bool,
// bson.DateTime, bson.A and bson.D.
func (p *Profile) Values(keep func(*Trait) bool) map[string]any {
	out := map[string]any{}
	for i := range p.Traits {
		t := &p.Traits[i]
		if t.Value.Type == bson.TypeNull || keep != nil && !keep(t) {
			continue
		}
		var v any
		if t.Value.Unmarshal(&v) != nil {
			continue
		}
		at := out
		segs := segments(t.Path)
		for _, seg := range segs[:len(segs)-1] {
			next, ok := at[seg].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[seg] = next
			}
			at = next
		}
		at[segs[len(segs)-1]] = v
	}
	return out
}

func tree(regs []Trait, depth int) bson.D {
	var d bson.D
	for len(regs) > 0 {
		segs := segments(regs[0].Path)
		if len(segs) == depth+1 {
			d = append(d, bson.E{Key: segs[depth], Value: regs[0].Value})
			regs = regs[1:]
			continue
		}
		prefix := pathOf(segs[:depth+1]) + "."
		n := 1
		for n < len(regs) && strings.HasPrefix(regs[n].Path, prefix) {
			n++
		}
		d = append(d, bson.E{Key: segs[depth], Value: tree(regs[:n], depth+1)})
		regs = regs[n:]
	}
	return d
}

// ChangedSince names what events after seq touched, sorted: "events", "merges",
// "identifiers", "consents.marketing", "traits.email". After a merge or an unmerge
// "traits" and every path are named, for any of them may have come or gone.
func (p *Profile) ChangedSince(seq int64) []string {
	if p.Seq <= seq {
		return nil
	}
	all := p.MergedSeq > seq
	out := []string{"events"}
	if all {
		out = append(out, "merges", "traits")
	}
	if all || p.ReleasedSeq > seq || slices.ContainsFunc(p.Identifiers, func(h Held) bool { return h.Seq > seq }) {
		out = append(out, "identifiers")
	}
	for _, c := range p.Consents {
		if all || c.Seq > seq {
			out = append(out, "consents."+c.Purpose)
		}
	}
	for _, t := range p.Traits {
		if all || t.Seq > seq {
			out = append(out, "traits."+t.Path)
		}
	}
	return tidy(out)
}
