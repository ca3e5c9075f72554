package profile

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Release takes an identifier away from the part that it was first seen under,
// until it is restored: somebody said that it is not this person's. While it lasts the
// identifier is free, and no rule gives it back to the person, nor joins the person
// to whoever holds it. What was stored under it before stays where it is.
type Release struct {
	store.Meta `bson:",inline"` // key: workspace/rel_…
	Part       string           `bson:"part"`
	Identifier string           `bson:"identifier"` // namespace:value
	HeldAt     time.Time        `bson:"heldAt"`     // as the identifier's own At, Seq and Event were
	HeldSeq    int64            `bson:"heldSeq"`
	HeldEvent  string           `bson:"heldEvent"`
	Reason     string           `bson:"reason"`
	Request    string           `bson:"request,omitempty"` // dsr_… that asked for it
	Actor      string           `bson:"actor,omitempty"`
	At         time.Time        `bson:"at"`
	Seq        int64            `bson:"seq"`
	RestoredAt *time.Time       `bson:"restoredAt,omitempty"`

	RestoredSeq    int64  `bson:"restoredSeq,omitempty"`
	RestoredBy     string `bson:"restoredBy,omitempty"`
	RestoredReason string `bson:"restoredReason,omitempty"`
}

// Releases holds the ledger of identifiers that people let go of. With the identifiers
// it says who held which at any instant.
var Releases = store.Declare[Release](store.Spec{
	Name: "releases", Subject: "part",
	Data:    map[string]core.Category{"identifier": core.IdentifierID, "reason": core.FreeText, "restoredReason": core.FreeText},
	Indexes: []store.Index{store.On("part"), store.On("identifier")},
})

// MaxReleased is how many identifiers a person may have let go of at one time.
const MaxReleased = 100

// ReleaseID returns the release's id without its workspace.
func (r *Release) ReleaseID() string { return store.Rest(r.ID) }

// Named returns the identifier that was released.
func (r *Release) Named() event.Identifier {
	ns, value, _ := strings.Cut(r.Identifier, ":")
	return event.Identifier{Namespace: ns, Value: value}
}

// markOf stands for an identifier in Profile.Released: what is let go of is not kept
// there in clear, for it may be somebody else's name.
func markOf(ws string, id event.Identifier) string {
	return core.HashID(core.PrefixRelease, ws, id.Namespace, id.Value)
}

// LetGo reports whether the person let go of an identifier, given as it is kept, and does
// not hold it by another part: no rule gives it back.
func (p *Profile) LetGo(id event.Identifier) bool {
	if p == nil || len(p.Released) == 0 {
		return false
	}
	mark := markOf(p.Workspace(), id) + ":"
	i, _ := slices.BinarySearch(p.Released, mark)
	if i == len(p.Released) || !strings.HasPrefix(p.Released[i], mark) {
		return false
	}
	_, held := slices.BinarySearchFunc(p.Identifiers, Held{Namespace: id.Namespace, Value: id.Value}, compareHeld)
	return !held
}

// LetGoOf is LetGo of a value as somebody wrote it; in no namespace it may be an address
// or a number.
func LetGoOf(p *Profile, namespace, value string) bool {
	if p == nil || len(p.Released) == 0 || value == "" {
		return false
	}
	switch namespace {
	case "":
		return LetGoOf(p, Email, value) || LetGoOf(p, Phone, value)
	case Email:
		value, _ = normaliseEmail(value)
	case Phone:
		if n, ok := normalisePhone(value, ""); ok {
			value = n
		}
	default:
		value, _ = normaliseOther(value)
	}
	return p.LetGo(event.Identifier{Namespace: namespace, Value: value})
}

// letGoAny is LetGo of one of several.
func (p *Profile) letGoAny(ids []event.Identifier) bool {
	return p != nil && len(p.Released) > 0 && slices.ContainsFunc(ids, p.LetGo)
}

// disowned reports whether one of two people let go of what the other holds: they are
// known to differ.
func disowned(a, b *Profile) bool {
	one := func(a, b *Profile) bool {
		return len(a.Released) > 0 && slices.ContainsFunc(b.Identifiers, func(h Held) bool {
			return a.LetGo(event.Identifier{Namespace: h.Namespace, Value: h.Value})
		})
	}
	return one(a, b) || one(b, a)
}

// releasedOf returns those of the marks that belong to some parts, given sorted.
func releasedOf(marks, parts []string) []string {
	var out []string
	for _, m := range marks {
		_, part, _ := strings.Cut(m, ":")
		if _, found := slices.BinarySearch(parts, part); found {
			out = append(out, m)
		}
	}
	return out
}

// holding is who of a part's identifiers it held, in the order of the ledger.
type holding struct {
	held Held
	on   bool // it held it
	off  bool // it had let go of it
}

// hold works out which identifiers a part held, and which it had let go of, within a
// bound: from what it holds now and what was released and restored.
func (b bound) hold(part string, ids []*Identifier, releases []*Release) map[event.Identifier]*holding {
	out := map[event.Identifier]*holding{}
	for _, id := range ids {
		n := identifierOf(id.ID)
		out[n] = &holding{held: Held{Namespace: n.Namespace, Value: n.Value, Part: part, At: id.At, Seq: id.Seq}, on: b.holds(id.At, id.Seq)}
	}
	slices.SortFunc(releases, func(x, y *Release) int { return cmp.Or(cmp.Compare(x.Seq, y.Seq), strings.Compare(x.ID, y.ID)) })
	for _, r := range releases {
		n := r.Named()
		h := out[n]
		if h == nil {
			h = &holding{held: Held{Namespace: n.Namespace, Value: n.Value, Part: part, At: r.HeldAt, Seq: r.HeldSeq}, on: b.holds(r.HeldAt, r.HeldSeq)}
			out[n] = h
		}
		if !b.holds(r.At, r.Seq) {
			continue
		}
		back := r.RestoredAt != nil && b.holds(*r.RestoredAt, r.RestoredSeq)
		h.on, h.off = back, !back
	}
	return out
}

// ReleasesOf returns what the person of a profile that was read let go of, restored or
// not, the latest first. One as of an instant has those that were made by then.
func (s *Service) ReleasesOf(ctx context.Context, p *Profile) ([]*Release, error) {
	var out []*Release
	for _, part := range p.Parts {
		list, err := Releases.Find(ctx, s.db, store.Query{Workspace: p.Workspace(), Where: []store.Cond{store.Eq("part", part)}}, 0)
		if err != nil {
			return nil, storeError("read releases", err)
		}
		for _, r := range list {
			if p.V == 0 {
				if r.At.After(p.UpdatedAt) {
					continue
				}
				if r.RestoredAt != nil && r.RestoredAt.After(p.UpdatedAt) {
					r.RestoredAt, r.RestoredSeq, r.RestoredBy, r.RestoredReason = nil, 0, "", ""
				}
			}
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *Release) int { return cmp.Or(cmp.Compare(b.Seq, a.Seq), strings.Compare(a.ID, b.ID)) })
	return out, nil
}

// GetRelease returns the release with an id, or nil.
func (s *Service) GetRelease(ctx context.Context, ws, id string) (*Release, error) {
	if !isID(core.PrefixRelease, id) {
		return nil, nil
	}
	r, err := Releases.Get(ctx, s.db, store.Key(ws, id))
	return r, storeError("read release", err)
}

// SameIdentifiers reports whether two people hold the same identifiers; nil holds none.
func SameIdentifiers(a, b *Profile) bool {
	held := func(p *Profile) []Held {
		if p == nil {
			return nil
		}
		return p.Identifiers
	}
	return slices.EqualFunc(held(a), held(b), func(x, y Held) bool { return x.Namespace == y.Namespace && x.Value == y.Value })
}
