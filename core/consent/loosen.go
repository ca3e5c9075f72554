package consent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
)

// Approver has somebody else agree to what is dangerous. access.Service implements it.
type Approver interface {
	// NeedsOther reports whether somebody else must agree to what the actor asks for.
	NeedsOther(ctx context.Context) (bool, error)
	// ProposeChange keeps a change that waits for them.
	ProposeChange(ctx context.Context, c access.PendingChange) (*access.Approval, error)
	// OnChange registers what applies changes of a kind that were agreed to.
	OnChange(kind string, f access.ChangeFunc)
}

// The kinds of changes by which the rules of consent come to ask for less.
const (
	changeLoosen   = "purpose"
	changeSettings = "consentSettings"
)

// loosening is what a change of a purpose holds.
type loosening struct {
	Purpose Purpose `bson:"purpose"` // as it would be
	Version int64   `bson:"over"`    // of the purpose that it is over
}

// looserSettings is what a change of the settings holds.
type looserSettings struct {
	Settings Settings `bson:"settings"` // as they would be
	Version  int64    `bson:"over"`     // of those that it is over
}

// ChangePurpose is UpdatePurpose, where what makes a purpose ask for less waits for the
// approval of somebody else who may govern, where there is one: the purpose is then as it
// is in force, with what waits.
func (s *Service) ChangePurpose(ctx context.Context, ws, key string, edit Edit, f func(*Purpose)) (*Purpose, *access.Approval, error) {
	var next Purpose
	var over int64
	change := updating(key, edit, func(p *Purpose) { f(p); next = *p })
	waits, old, err := s.proposed(ctx, ws, edit, func(r *Register, doc *registerDoc) *core.Error {
		over = version(r.Purpose(key))
		return change(r, doc)
	}, func() access.PendingChange {
		next.Key, next.Version = key, 0
		return access.PendingChange{Kind: changeLoosen, Resource: key, Content: content(loosening{next, over})}
	})
	switch {
	case err != nil:
		return nil, nil, err
	case waits != nil:
		return old.Purpose(key), waits, nil
	}
	p, err := s.UpdatePurpose(ctx, ws, key, edit, f)
	return p, nil, err
}

// ChangeSettings is SetSettings, where what makes some purpose ask for less somewhere waits
// as ChangePurpose does.
func (s *Service) ChangeSettings(ctx context.Context, ws string, next Settings, edit Edit) (Settings, *access.Approval, error) {
	change, err := settling(next, edit)
	if err != nil {
		return Settings{}, nil, err
	}
	var over int64
	waits, old, err := s.proposed(ctx, ws, edit, func(r *Register, doc *registerDoc) *core.Error {
		over = doc.Settings.Version
		return change(r, doc)
	}, func() access.PendingChange {
		next.Version = 0
		return access.PendingChange{Kind: changeSettings, Resource: "consentSettings", Content: content(looserSettings{next, over})}
	})
	switch {
	case err != nil:
		return Settings{}, nil, err
	case waits != nil:
		return old.Settings(), waits, nil
	}
	now, err := s.SetSettings(ctx, ws, next, edit)
	return now, nil, err
}

// content is what a change holds, nil when it cannot be written, which its type excludes.
func content(v any) bson.Raw {
	raw, _ := bson.Marshal(v)
	return raw
}

// proposed makes a change of the register wait that must, and returns the register as it
// is; no approval when it need not wait. What cannot be is refused now.
func (s *Service) proposed(ctx context.Context, ws string, edit Edit, change func(*Register, *registerDoc) *core.Error, propose func() access.PendingChange) (*access.Approval, *Register, error) {
	if s.Approver == nil || edit.DryRun {
		return nil, nil, nil
	}
	old, doc, err := s.changed(ctx, ws, change)
	if err != nil {
		return nil, nil, storeError("read the purposes", err)
	}
	if doc == nil {
		return nil, nil, nil
	}
	loose := old.register.loosened(newRegister(doc.Purposes, doc.Settings))
	if len(loose) == 0 {
		return nil, nil, nil
	}
	if other, err := s.Approver.NeedsOther(ctx); err != nil || !other {
		return nil, nil, err
	}
	c := propose()
	c.Words = said(loose)
	waits, err := s.Approver.ProposeChange(ctx, c)
	return waits, old.register, err
}

// maxSaid is how much of what a change loosens is said of it.
const maxSaid = 10

func said(loose []string) string {
	more := ""
	if n := len(loose) - maxSaid; n > 0 {
		loose, more = loose[:maxSaid], fmt.Sprintf("; and %d more", n)
	}
	return strings.Join(loose, "; ") + more
}

// loosened lists by what the next register lets people's data be used who did not let it by
// this one; nothing when it asks for as much.
func (r *Register) loosened(next *Register) (out []string) {
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	countries := r.countries(next)
	for _, key := range r.keys {
		old, p := r.purposes[key], next.purposes[key]
		if p == nil {
			continue
		}
		if old.ConsentRequired && !p.ConsentRequired {
			say("the purpose %s requires consent no more", key)
		}
		if p.ConsentRequired && old.EvidenceRequired && !p.EvidenceRequired {
			say("a yes to the purpose %s counts without evidence", key)
		}
		if p.ConsentRequired && old.DoubleOptIn && !p.DoubleOptIn {
			say("a yes to the purpose %s counts without having been confirmed", key)
		}
		if old.SaleOrSharing && !p.SaleOrSharing {
			say("a signal of Global Privacy Control is no more a no to the purpose %s", key)
		}
		if old.Objectionable() && !p.Objectionable() {
			say("a no to the purpose %s ends nothing any more", key)
		}
		for _, above := range r.chains[key][1:] {
			if !slices.Contains(next.chains[key], above) {
				say("a no to the purpose %s is none to %s any more", above, key)
			}
		}
		for _, country := range countries {
			if old.ConsentRequired && p.ConsentRequired && r.Rule(country, key) == OptIn && next.Rule(country, key) == OptOut {
				say("who said nothing of the purpose %s may be addressed %s", key, where(country))
			}
		}
	}
	if !slices.Equal(r.settings.CountryTraits, next.settings.CountryTraits) && next.optsOut(countries) {
		say("where people are, and with it which rule holds for them, is read from other traits")
	}
	return out
}

func where(country string) string {
	if country == "" {
		return "where nothing else is said"
	}
	return "in " + country
}

// countries lists those that one of two registers has a rule for, and "" for all others.
func (r *Register) countries(other *Register) []string {
	out := []string{""}
	for _, reg := range []*Register{r, other} {
		for _, j := range reg.settings.Jurisdictions {
			out = append(out, j.Country)
		}
		for _, p := range reg.purposes {
			out = slices.AppendSeq(out, maps.Keys(p.Jurisdictions))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// optsOut reports whether silence counts as a yes to some purpose somewhere.
func (r *Register) optsOut(countries []string) bool {
	for key, p := range r.purposes {
		if p.ConsentRequired && slices.ContainsFunc(countries, func(c string) bool { return r.Rule(c, key) == OptOut }) {
			return true
		}
	}
	return false
}

// purposeAgreed applies a change of a purpose that somebody else agreed to: an
// access.ChangeFunc.
func (s *Service) purposeAgreed(ctx context.Context, c *access.PendingChange) ([]store.Op, error) {
	var l loosening
	if err := bson.Unmarshal(c.Content, &l); err != nil {
		return nil, err
	}
	p := l.Purpose
	return s.purposeOps(ctx, store.WorkspaceOf(c.ID), agreed(c, Trace{Action: "purpose.update", Resource: p.Key, Purpose: p.Key}),
		replacing(p.Key, Edit{ExpectedVersion: &l.Version}, func(*Purpose) (Purpose, *core.Error) { return p, nil }))
}

// settingsAgreed does so with settings.
func (s *Service) settingsAgreed(ctx context.Context, c *access.PendingChange) ([]store.Op, error) {
	var l looserSettings
	if err := bson.Unmarshal(c.Content, &l); err != nil {
		return nil, err
	}
	change, err := settling(l.Settings, Edit{ExpectedVersion: &l.Version})
	if err != nil {
		return nil, err
	}
	return s.purposeOps(ctx, store.WorkspaceOf(c.ID), agreed(c, Trace{Action: "consent.settings", Resource: "consentSettings"}), change)
}

// agreed completes what the audit log is told of a change that somebody agreed to.
func agreed(c *access.PendingChange, t Trace) Trace {
	t.Decision, t.Details = core.Allow, map[string]string{"author": c.Author, "change": c.ChangeID}
	return t
}
