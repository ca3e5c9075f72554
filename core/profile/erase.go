package profile

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Erased says for ever that a profile id was of somebody who was erased. It holds
// nothing else of the person.
type Erased struct {
	store.Meta `bson:",inline"` // key: workspace/prof_…
	At         time.Time        `bson:"at"`
	Request    string           `bson:"request,omitempty"` // dsr_…
	// Anonymised tells that what was nobody's of the person was kept.
	Anonymised bool `bson:"anonymised,omitempty"`
}

// Erasures holds the marks, one for each part that an erased person had.
var Erasures = store.Declare[Erased](store.Spec{
	Name: "erased", Reach: store.ReachNobody,
	Data: map[string]core.Category{"_id": core.None},
})

// errErased and errAnonymised are the answers to whoever asks for an erased person.
var (
	errErased     = core.Errorf(core.NotFound, "ERASED", "this person was erased")
	errAnonymised = core.Errorf(core.NotFound, "ANONYMISED", "this person was made anonymous: what is kept is nobody's any more")
)

// ErasureOf returns the mark of an id, or nil.
func (s *Service) ErasureOf(ctx context.Context, ws, id string) (*Erased, error) {
	if !isPart(id) {
		return nil, nil
	}
	m, err := Erasures.Get(ctx, s.db, store.Key(ws, id))
	return m, storeError("read erasures", err)
}

// gone returns errErased or errAnonymised when the id is of an erased person. Whoever calls it has
// found no profile under the id.
func (s *Service) gone(ctx context.Context, ws, id string) error {
	m, err := s.ErasureOf(ctx, ws, id)
	if err == nil && m != nil {
		if m.Anonymised {
			return errAnonymised.At("id")
		}
		return errErased.At("id")
	}
	return err
}

// goneAny is gone for the parts of a merge or a proposal: a merge of an erased person
// cannot be undone, nor a proposal about one decided.
func (s *Service) goneAny(ctx context.Context, ws string, parts []string, path string) error {
	keys := make([]string, len(parts))
	for i, part := range parts {
		keys[i] = store.Key(ws, part)
	}
	marks, err := Erasures.GetMany(ctx, s.db, keys)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(marks, func(m *Erased) bool { return m != nil }) {
		return core.Errorf(core.Conflict, "ERASED", "one of the people whom this is about was erased since; it stays as it is").At(path)
	}
	return nil
}

// Erasing is the mark of an erasure, to be committed: a person as found, and the
// operations after which nobody finds the person any more. They conflict when the
// person changed since.
type Erasing struct {
	Profile     *Profile
	Parts       []string // every id that the person has
	Identifiers []event.Identifier
	Ops         []store.Op

	s       *Service
	u       *Unit
	derived Derived
}

// The bounds of what one mark takes along; the sweep takes the rest. A mark that
// stands makes the rest unreachable.
const (
	eraseParts       = 110
	eraseIdentifiers = 110
	eraseDerived     = 250 // operations
)

// BeginErasure reads the person with an id, and works out the mark. It is NOT_FOUND
// (PROFILE, ERASED or ANONYMISED) when there is none. Call Settle with what became of Ops.
func (s *Service) BeginErasure(ctx context.Context, ws, id string, as Erased) (*Erasing, error) {
	if !isPart(id) {
		return nil, core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
	}
	r, err := s.rules(ctx, ws)
	if err != nil {
		return nil, storeError("read settings", err)
	}
	u := s.newUnit(ws, r)
	if _, err := u.loadProfiles(ctx, []string{id}); err != nil {
		return nil, storeError("read profiles", err)
	}
	p := u.profile(id)
	if p == nil {
		if err := s.gone(ctx, ws, id); err != nil {
			return nil, err
		}
		return nil, core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
	}
	e := &Erasing{Profile: p, Parts: slices.Clone(p.Parts), s: s, u: u}
	for _, h := range p.Identifiers {
		e.Identifiers = append(e.Identifiers, event.Identifier{Namespace: h.Namespace, Value: h.Value})
	}
	if err := e.mark(ctx, ws, as); err != nil {
		return nil, storeError("erase", err)
	}
	u.erases = true
	u.set(p.ProfileID(), nil)
	if e.derived, err = s.Derive(ctx, u, nil); err != nil {
		return nil, err
	}
	if len(e.derived.Ops) <= eraseDerived {
		e.Ops = append(e.Ops, e.derived.Ops...)
	}
	return e, nil
}

func (e *Erasing) mark(ctx context.Context, ws string, as Erased) error {
	p := e.Profile
	e.Ops = append(e.Ops, Profiles.Delete(p))
	marks, err := Erasures.GetMany(ctx, e.s.db, keysOf(ws, e.Parts))
	if err != nil {
		return err
	}
	for i, part := range e.Parts[:min(len(e.Parts), eraseParts)] {
		if marks[i] == nil {
			e.Ops = append(e.Ops, Erasures.Insert(as.Of(ws, part)))
		}
	}
	some := e.Parts[:min(len(e.Parts), eraseParts)]
	err = e.u.eachPart(ctx, some, func(_ string, doc *Part) {
		if doc != nil {
			e.Ops = append(e.Ops, Parts.Delete(doc))
		}
	})
	if err != nil {
		return err
	}
	keys := make([]string, 0, eraseIdentifiers)
	for _, id := range e.Identifiers[:min(len(e.Identifiers), eraseIdentifiers)] {
		keys = append(keys, identifierKey(ws, id))
	}
	docs, err := Identifiers.GetMany(ctx, e.s.db, keys)
	if err != nil {
		return err
	}
	for _, doc := range docs {
		if doc != nil {
			e.Ops = append(e.Ops, Identifiers.Delete(doc))
		}
	}
	return nil
}

// Of returns the same mark of a part, to be inserted.
func (m Erased) Of(ws, part string) *Erased {
	m.Meta, m.At = store.Meta{ID: store.Key(ws, part)}, millis(m.At)
	return &m
}

// Beyond returns the parts that the mark itself leaves out: whoever commits Ops marks
// them before.
func (e *Erasing) Beyond() []string { return e.Parts[min(len(e.Parts), eraseParts):] }

// Settle tells whether the operations are on disk.
func (e *Erasing) Settle(committed bool) {
	if len(e.derived.Ops) <= eraseDerived {
		e.derived.Settle(committed)
	} else {
		e.derived.Settle(false)
	}
	ws := e.Profile.Workspace()
	for _, id := range e.Identifiers {
		e.s.ids.Remove(identifierKey(ws, id))
	}
	for _, part := range e.Parts {
		e.s.hints.Remove(store.Key(ws, part))
	}
}

// Touch returns the operation that changes nothing of a profile but its version, so
// that whoever is changing it, or erasing it, looks again.
func Touch(p *Profile) store.Op { return Profiles.Replace(p) }

// IdentifierKeys returns the keys of identifiers in the collection of that name, which
// hold their values.
func IdentifierKeys(ws string, ids []event.Identifier) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = identifierKey(ws, id)
	}
	return out
}

func keysOf(ws string, ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = store.Key(ws, id)
	}
	return out
}

// Erases reports whether the unit erases the profiles that it ends: what derives from
// them goes too, and is nobody's afterwards.
func (u *Unit) Erases() bool { return u.erases }

// Normalise brings an identifier to the form in which it is kept; false when it can
// name nobody.
func (s *Service) Normalise(ctx context.Context, ws string, id event.Identifier) (event.Identifier, bool, error) {
	r, err := s.rules(ctx, ws)
	if err != nil {
		return id, false, storeError("read settings", err)
	}
	n, ok := r.normalise(id.Namespace, id.Value)
	return n, ok, nil
}

// ReasonOfErased stands for why an erased person was merged with somebody.
const ReasonOfErased = "(erased)"

// IdentifierOf returns the identifier that a document of Identifiers is about.
func IdentifierOf(doc *Identifier) event.Identifier { return identifierOf(doc.ID) }
