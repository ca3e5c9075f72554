package profile

import (
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Difference is a path at which a stored profile and its refold differ. It never
// holds a value.
type Difference struct {
	ProfileID string
	Path      string // as "traits.address.city", "seq"; "profile" when one of the two is missing
}

// String implements fmt.Stringer.
func (d Difference) String() string { return d.ProfileID + ": " + d.Path }

// differences compares two states of one profile, versions aside.
func differences(a, b *Profile) []Difference {
	x, y := *a, *b
	x.V, y.V = 0, 0
	x.HeldUntil, y.HeldUntil = time.Time{}, time.Time{}
	ra, errA := x.MarshalBSON()
	rb, errB := y.MarshalBSON()
	id := a.ProfileID()
	if errA != nil || errB != nil {
		return []Difference{{id, "profile"}}
	}
	if string(ra) == string(rb) {
		return nil
	}
	var out []Difference
	fields := map[string]bson.RawValue{}
	ea, _ := bson.Raw(ra).Elements()
	eb, _ := bson.Raw(rb).Elements()
	for _, e := range ea {
		fields[e.Key()] = e.Value()
	}
	for _, e := range eb {
		if v, ok := fields[e.Key()]; (!ok || !v.Equal(e.Value())) && e.Key() != "traits" {
			out = append(out, Difference{id, e.Key()})
		}
		delete(fields, e.Key())
	}
	for key := range fields {
		if key != "traits" {
			out = append(out, Difference{id, key})
		}
	}
	for _, path := range differingTraits(a.Traits, b.Traits) {
		out = append(out, Difference{id, "traits." + path})
	}
	slices.SortFunc(out, func(x, y Difference) int { return strings.Compare(x.Path, y.Path) })
	return out
}

// differingTraits returns the paths whose registers differ, sorted.
func differingTraits(a, b []Trait) []string {
	var out []string
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Path < b[0].Path:
			out, a = append(out, a[0].Path), a[1:]
		case len(a) == 0 || b[0].Path < a[0].Path:
			out, b = append(out, b[0].Path), b[1:]
		default:
			x, y := a[0], b[0]
			same := x.Value.Equal(y.Value) && x.Source == y.Source && x.At.Equal(y.At) && x.Event == y.Event &&
				x.Priority == y.Priority && x.Rule == y.Rule && x.Seq == y.Seq
			if !same {
				out = append(out, x.Path)
			}
			a, b = a[1:], b[1:]
		}
	}
	return out
}
