package profile

import "time"

// Belonging tells whose parts were when, from the ledger of merges.
type Belonging struct{ of map[string]*[]*Merge } // by part: the entries that can have touched it

// NewBelonging returns what entries of the ledger say; they are all of a workspace.
func NewBelonging(ledger []*Merge) *Belonging {
	b := &Belonging{map[string]*[]*Merge{}}
	for _, m := range ledger {
		one, other := b.entries(m.WinnerPart), b.entries(m.LoserPart)
		if one != other {
			*one = append(*one, *other...)
			for part, list := range b.of {
				if list == other {
					b.of[part] = one
				}
			}
		}
		*one = append(*one, m)
	}
	return b
}

func (b *Belonging) entries(part string) *[]*Merge {
	if b.of[part] == nil {
		b.of[part] = &[]*Merge{}
	}
	return b.of[part]
}

// Merged reports whether a part was ever another profile's than its own.
func (b *Belonging) Merged(part string) bool { return b.of[part] != nil }

// At returns the id of the profile that a part belonged to at an instant, after what was
// committed then, and the parts that it had.
func (b *Belonging) At(part string, at time.Time) (id string, parts []string) {
	ledger := b.of[part]
	if ledger == nil {
		return part, []string{part}
	}
	g := replay(*ledger, part, &at)
	return g.id, g.parts
}
