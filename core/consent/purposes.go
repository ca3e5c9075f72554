package consent

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Edit says on what condition the register is changed, and whether at all.
type Edit struct {
	ExpectedVersion *int64 // of the purpose, or of the settings, as the caller saw it
	DryRun          bool   // only check, and tell how it would be
}

// The bounds of a register.
const (
	maxPurposes      = 200
	maxJurisdictions = 1000
	maxText          = 1000 // bytes of a name or description
	maxRetention     = 100 * 366 * 24 * time.Hour
	minConfirm       = time.Hour
	maxConfirm       = 90 * 24 * time.Hour
)

var purposeKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,99}$`)

// CreatePurpose adds a purpose. A key that there is already is a CONFLICT, unless the
// purpose is the very same: then the call is a repetition, and succeeds.
func (s *Service) CreatePurpose(ctx context.Context, ws string, p Purpose, edit Edit) (*Purpose, error) {
	if !purposeKey.MatchString(p.Key) || p.Key == GPC {
		return nil, core.Errorf(core.Invalid, "PURPOSE_KEY", "a purpose's key is a letter and up to 99 letters, digits, _, . and -; %q is taken by a signal", GPC).At("key")
	}
	return s.changePurpose(ctx, ws, p.Key, "purpose.create", edit, func(old *Purpose) (Purpose, *core.Error) {
		if old != nil && !old.same(&p) {
			return p, core.Errorf(core.Conflict, "PURPOSE_EXISTS", "there is a purpose with this key; change that one").At("key")
		}
		return p, nil
	})
}

// UpdatePurpose replaces what f makes of a purpose. It may not change the key.
func (s *Service) UpdatePurpose(ctx context.Context, ws, key string, edit Edit, f func(*Purpose)) (*Purpose, error) {
	return s.changedPurpose(ctx, ws, key, "purpose.update", edit, updating(key, edit, f))
}

// updating returns what replaces what f makes of a purpose.
func updating(key string, edit Edit, f func(*Purpose)) func(*Register, *registerDoc) *core.Error {
	return replacing(key, edit, func(old *Purpose) (Purpose, *core.Error) {
		if old == nil {
			return Purpose{}, errNoPurpose("key")
		}
		p := old.clone()
		f(&p)
		p.Key = key
		return p, nil
	})
}

// ArchivePurpose ends a purpose, or with archive false brings it back: what an
// archived one was for may not be done any more, and what people said is kept.
func (s *Service) ArchivePurpose(ctx context.Context, ws, key string, archive bool, edit Edit) (*Purpose, error) {
	return s.changePurpose(ctx, ws, key, "purpose.archive", edit, func(old *Purpose) (Purpose, *core.Error) {
		switch {
		case old == nil:
			return Purpose{}, errNoPurpose("key")
		case archive && (key == Operations || key == Compliance):
			return Purpose{}, core.Errorf(core.Invalid, "PURPOSE_NEEDED", "nothing works without the purpose %s; archive another", key).At("key")
		}
		p := old.clone()
		p.Archived = archive
		return p, nil
	})
}

func errNoPurpose(path string) *core.Error {
	return core.Errorf(core.NotFound, "PURPOSE", "there is no purpose with this key").At(path)
}

func (s *Service) changePurpose(ctx context.Context, ws, key, action string, edit Edit, f func(old *Purpose) (Purpose, *core.Error)) (*Purpose, error) {
	return s.changedPurpose(ctx, ws, key, action, edit, replacing(key, edit, f))
}

func (s *Service) changedPurpose(ctx context.Context, ws, key, action string, edit Edit, f func(*Register, *registerDoc) *core.Error) (*Purpose, error) {
	r, err := s.change(ctx, ws, Trace{Action: action, Resource: key, Purpose: key, Decision: core.Allow}, edit.DryRun, f)
	if err != nil {
		return nil, err
	}
	return r.Purpose(key), nil
}

// replacing returns what puts a purpose that f makes of the one with a key into the
// register.
func replacing(key string, edit Edit, f func(old *Purpose) (Purpose, *core.Error)) func(*Register, *registerDoc) *core.Error {
	return func(r *Register, doc *registerDoc) *core.Error {
		old := r.Purpose(key)
		if have := version(old); edit.ExpectedVersion != nil && *edit.ExpectedVersion != have {
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the purpose has version %d, not %d; read it and try again", have, *edit.ExpectedVersion).At("expectedVersion")
		}
		p, e := f(old)
		if e != nil {
			return e
		}
		if old != nil && old.same(&p) {
			return nil
		}
		if e := p.check(r); e != nil {
			return e
		}
		p.Version = version(old) + 1
		doc.Purposes = slices.Clone(doc.Purposes)
		if i := slices.IndexFunc(doc.Purposes, func(o Purpose) bool { return o.Key == key }); i >= 0 {
			doc.Purposes[i] = p
		} else {
			doc.Purposes = append(doc.Purposes, p)
		}
		if len(doc.Purposes) > maxPurposes {
			return core.Errorf(core.Invalid, "TOO_MANY_PURPOSES", "a workspace has at most %d purposes", maxPurposes)
		}
		return nil
	}
}

func version(p *Purpose) int64 {
	if p == nil {
		return 0
	}
	return p.Version
}

// check refuses a purpose that cannot be.
func (p *Purpose) check(r *Register) *core.Error {
	switch {
	case strings.TrimSpace(p.Name) == "" || len(p.Name) > maxText:
		return core.Errorf(core.Invalid, "PURPOSE_NAME", "give the purpose a name of at most %d bytes", maxText).At("name")
	case len(p.Description) > maxText:
		return core.Errorf(core.Invalid, "PURPOSE_DESCRIPTION", "a description has at most %d bytes", maxText).At("description")
	case !slices.Contains(Bases(), p.LegalBasis):
		return core.Errorf(core.Invalid, "LEGAL_BASIS", "the legal basis is one of %s", strings.Join(Bases(), ", ")).At("legalBasis")
	case p.LegalBasis == BasisConsent && !p.ConsentRequired:
		return core.Errorf(core.Invalid, "CONSENT_NEEDED", "what rests on consent requires it").At("consentRequired")
	case (p.EvidenceRequired || p.DoubleOptIn) && !p.ConsentRequired:
		return core.Errorf(core.Invalid, "CONSENT_NEEDED", "evidence and double opt-in are of purposes that require consent").At("consentRequired")
	case p.ConfirmWithin != 0 && (p.ConfirmWithin < minConfirm || p.ConfirmWithin > maxConfirm):
		return core.Errorf(core.Invalid, "CONFIRM_WITHIN", "a yes waits for its confirmation for an hour to 90 days").At("confirmWithin")
	case p.Retention < 0 || p.Retention > maxRetention:
		return core.Errorf(core.Invalid, "RETENTION", "data is kept for up to 100 years").At("retention")
	}
	for country, rule := range p.Jurisdictions {
		if e := checkRule(country, rule); e != nil {
			return e.At("jurisdictions", country)
		}
	}
	if p.Parent == "" {
		return nil
	}
	if r.Purpose(p.Parent) == nil {
		return core.Errorf(core.Invalid, "PARENT_UNKNOWN", "there is no purpose with the parent's key").At("parent")
	}
	if p.Parent == p.Key || slices.Contains(r.Chain(p.Parent), p.Key) {
		return core.Errorf(core.Invalid, "PARENT_CYCLE", "a purpose cannot be among its own ancestors").At("parent")
	}
	return nil
}

func checkRule(country, rule string) *core.Error {
	switch {
	case Country(country) != country || country == "":
		return core.Errorf(core.Invalid, "COUNTRY", "a country is a code such as DE, with a region US-CA")
	case rule != OptIn && rule != OptOut:
		return core.Errorf(core.Invalid, "JURISDICTION_RULE", "the rule is OPT_IN or OPT_OUT")
	}
	return nil
}

// change writes what f makes of the register, its history and its entry in the audit
// log in one batch. A register that f leaves as it is keeps its revision.
func (s *Service) change(ctx context.Context, ws string, t Trace, dryRun bool, f func(*Register, *registerDoc) *core.Error) (*Register, error) {
	var out *Register
	err := retry(ctx, "write the purposes", func() error {
		old, doc, err := s.changed(ctx, ws, f)
		if err != nil {
			return err
		}
		if out = old.register; doc == nil {
			return nil
		}
		if dryRun {
			out = newRegister(doc.Purposes, doc.Settings)
			return nil
		}
		ops, err := s.registerOps(ctx, ws, t, doc)
		if err != nil {
			return err
		}
		if err := work.Commit(ctx, s.Store, ops...); err != nil {
			return err
		}
		c, err := s.read(ctx, ws)
		if err == nil {
			out = c.register
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// changed returns the register and what f makes of it; nil when that is the same.
func (s *Service) changed(ctx context.Context, ws string, f func(*Register, *registerDoc) *core.Error) (*cached, *registerDoc, error) {
	old, err := s.read(ctx, ws)
	if err != nil {
		return nil, nil, err
	}
	doc := *old.doc
	if e := f(old.register, &doc); e != nil {
		return nil, nil, e
	}
	if doc.sameAs(old.doc) {
		return old, nil, nil
	}
	if s.guard != nil {
		if err := s.guard(ctx, ws, old.register, newRegister(doc.Purposes, doc.Settings)); err != nil {
			return nil, nil, err
		}
	}
	doc.At, doc.By, doc.Revision = s.now(), actor(ctx), old.doc.V+1
	if !doc.At.After(old.doc.At) {
		doc.At = old.doc.At.Add(time.Millisecond) // the clock of another process is ahead
	}
	return old, &doc, nil
}

// registerOps returns the operations that put a register in force, with its history and
// its entry in the audit log.
func (s *Service) registerOps(ctx context.Context, ws string, t Trace, doc *registerDoc) ([]store.Op, error) {
	past := *doc
	past.Meta = store.Meta{ID: historyKey(ws, doc.Revision)}
	t.Workspace = ws
	return s.audited(ctx, t, registers.Put(doc), history.Insert(&past))
}

// purposeOps returns the operations that put what f makes of the register in force.
func (s *Service) purposeOps(ctx context.Context, ws string, t Trace, f func(*Register, *registerDoc) *core.Error) ([]store.Op, error) {
	_, doc, err := s.changed(ctx, ws, f)
	if err != nil || doc == nil {
		return nil, err
	}
	return s.registerOps(ctx, ws, t, doc)
}

func (d *registerDoc) sameAs(o *registerDoc) bool {
	return slices.EqualFunc(d.Purposes, o.Purposes, func(a, b Purpose) bool { return a.Version == b.Version && a.same(&b) }) &&
		d.Settings.same(&o.Settings)
}

// registerAt returns the register as it was at an instant.
func (s *Service) registerAt(ctx context.Context, ws string, at time.Time) (*Register, error) {
	found, err := history.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Lte("at", at)}, Order: []string{"-at"}}, 1)
	if err != nil || len(found) == 0 {
		return DefaultRegister(), err
	}
	r := newRegister(found[0].Purposes, found[0].Settings)
	r.Revision, r.At = found[0].Revision, found[0].At
	return r, nil
}
