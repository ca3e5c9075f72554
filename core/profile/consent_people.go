package profile

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
)

// people finds those whose consent it is.
type people struct{ s *Service }

// ConsentPeople lets core/consent find people.
func (s *Service) ConsentPeople() consent.People { return people{s} }

// Subject implements consent.People.
func (p people) Subject(ctx context.Context, ws, id string) (*consent.Subject, error) {
	found, err := p.s.Get(ctx, ws, id)
	if found == nil || err != nil {
		return nil, err
	}
	return found.subject(id), nil
}

// SubjectAsOf implements consent.People.
func (p people) SubjectAsOf(ctx context.Context, ws, id string, at time.Time) (*consent.Subject, error) {
	found, err := p.s.AsOf(ctx, ws, id, at)
	if found == nil || err != nil {
		return nil, err
	}
	return found.subject(id), nil
}

// SubjectBy implements consent.People.
func (p people) SubjectBy(ctx context.Context, ws string, id event.Identifier) (*consent.Subject, error) {
	found, err := p.s.ByIdentifier(ctx, ws, id)
	if found == nil || err != nil {
		return nil, err
	}
	r, err := p.s.rules(ctx, ws)
	if err != nil {
		return nil, storeError("read settings", err)
	}
	part := found.ProfileID()
	if n, ok := r.normalise(id.Namespace, id.Value); ok {
		i, held := slices.BinarySearchFunc(found.Identifiers, Held{Namespace: n.Namespace, Value: n.Value}, compareHeld)
		if held {
			part = found.Identifiers[i].Part
		}
	}
	return found.subject(part), nil
}

// Normal implements consent.People.
func (p people) Normal(ctx context.Context, ws string, id event.Identifier) (event.Identifier, bool, error) {
	r, err := p.s.rules(ctx, ws)
	if err != nil {
		return id, false, storeError("read settings", err)
	}
	n, ok := r.normalise(id.Namespace, id.Value)
	return n, ok, nil
}

// ConsentSubject returns the person as core/consent asks about them.
func (p *Profile) ConsentSubject() *consent.Subject { return p.subject(p.ProfileID()) }

func (p *Profile) subject(part string) *consent.Subject {
	ids := make([]event.Identifier, len(p.Identifiers))
	for i, h := range p.Identifiers {
		ids[i] = event.Identifier{Namespace: h.Namespace, Value: h.Value}
	}
	return &consent.Subject{
		Identifiers: ids,
		Restricted: func(chain []string) bool {
			return p.Restricted != 0 && !slices.Contains(chain, consent.Compliance) && p.RestrictedFor(chain)
		},
		ID: p.ProfileID(), Part: part, Parts: p.Parts, Version: p.V, UpdatedAt: p.UpdatedAt,
		Words: p.Words, Country: p.Jurisdiction, Check: Profiles.Check(p),
		Said: func(part string) (out []consent.Word) {
			for i := range p.Consents {
				if c := &p.Consents[i]; c.Recorded && slices.Contains(c.Parts, part) {
					out = append(out, consent.Word{Purpose: c.Purpose, Channel: c.Channel, Status: c.Status, At: c.At, ExpiresAt: c.ExpiresAt, Recorded: true})
				}
			}
			return out
		},
		Latest: func(purpose string) (at time.Time) {
			for i := range p.Consents {
				if c := &p.Consents[i]; c.Recorded && c.Purpose == purpose {
					at = later(at, c.At)
				}
			}
			return at
		},
		Holds: func(entry string) string {
			for i := range p.Consents {
				if c := &p.Consents[i]; c.Recorded && consent.EntryID(c.Event) == entry {
					return c.Status
				}
			}
			return ""
		},
	}
}

// Gated reports whether people's data leaves through a gate that asks the policy:
// whether SetGate was called.
func (s *Service) Gated() bool { return s.gate.View != nil }
