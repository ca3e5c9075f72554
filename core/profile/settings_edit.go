package profile

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"

	"github.com/nyaruka/phonenumbers"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Edit says on what condition settings are changed, and whether at all.
type Edit struct {
	ExpectedVersion *int64 // of the settings as the caller saw them; another is a CONFLICT
	DryRun          bool   // only check, and tell how it would be
}

var namespaceName = regexp.MustCompile(`^[a-z][a-z0-9_.]{0,39}$`)

// SetNamespace adds a namespace or replaces the rules of one. It holds for events
// from now on: what rules joined or kept apart before stays as it is.
func (s *Service) SetNamespace(ctx context.Context, ws string, n Namespace, edit ...Edit) ([]Namespace, error) {
	switch {
	case !namespaceName.MatchString(n.Name):
		return nil, core.Errorf(core.Invalid, "NAMESPACE_NAME", "a namespace is a lower-case letter and up to 39 of a-z, 0-9, _ and .").At("name")
	case n.Priority < 1 || n.Priority > 1000:
		return nil, core.Errorf(core.Invalid, "NAMESPACE_PRIORITY", "the priority must be between 1 and 1000").At("priority")
	case n.Limit < 1 || n.Limit > 1000:
		return nil, core.Errorf(core.Invalid, "NAMESPACE_LIMIT", "the limit must be between 1 and 1000").At("limit")
	case n.Exclusive && n.Limit != 1:
		return nil, core.Errorf(core.Invalid, "NAMESPACE_LIMIT", "an exclusive namespace has the limit 1").At("limit")
	case len(n.Blocklist) > 1000:
		return nil, core.Errorf(core.Invalid, "NAMESPACE_BLOCKLIST", "a blocklist has at most 1000 values").At("blocklist")
	}
	n.Version = 0
	r, err := s.change(ctx, ws, edit, func(doc *SettingsDoc) *core.Error {
		doc.Namespaces = replace(doc.Namespaces, n, func(o Namespace) bool { return o.Name == n.Name })
		if len(doc.Namespaces) > 100 {
			return core.Errorf(core.Invalid, "TOO_MANY_NAMESPACES", "a workspace has at most 100 namespaces of its own")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r.list(), nil
}

// SetTraitRule makes a top-level trait follow the given sources, the most trusted
// first; none restores the latest write. It holds for events from now on. What was
// folded before keeps the rule that chose it: run the rebuild job to refold every
// profile by the new rule, and until then its check names these traits.
func (s *Service) SetTraitRule(ctx context.Context, ws string, rule TraitRule, edit ...Edit) (Rules, error) {
	if rule.Trait == "" || len(rule.Trait) > maxPath {
		return Rules{}, core.Errorf(core.Invalid, "TRAIT", "name the top-level trait, at most %d bytes", maxPath).At("trait")
	}
	keys := segments(rule.Trait)
	if len(keys) != 1 {
		return Rules{}, core.Errorf(core.Invalid, "TRAIT", `a rule is one for a top-level trait and all below it; a dot inside its name is written "\."`).At("trait")
	}
	rule.Trait = keys[0]
	if len(rule.Sources) > 100 {
		return Rules{}, core.Errorf(core.Invalid, "TOO_MANY_SOURCES", "a rule ranks at most 100 sources").At("sources")
	}
	for i, src := range rule.Sources {
		if slices.Contains(rule.Sources[:i], src) {
			return Rules{}, core.Errorf(core.Invalid, "SOURCE_TWICE", "a rule ranks a source once").At("sources", strconv.Itoa(i))
		}
	}
	rule.Version = 0
	r, err := s.change(ctx, ws, edit, func(doc *SettingsDoc) *core.Error {
		same := func(o TraitRule) bool { return o.Trait == rule.Trait }
		if len(rule.Sources) > 0 {
			doc.TraitRules = replace(doc.TraitRules, rule, same)
		} else {
			doc.TraitRules = slices.DeleteFunc(slices.Clone(doc.TraitRules), same)
		}
		if len(doc.TraitRules) > 200 {
			return core.Errorf(core.Invalid, "TOO_MANY_RULES", "a workspace has at most 200 trait rules")
		}
		return nil
	})
	if err != nil {
		return Rules{}, err
	}
	return r.shown(), nil
}

// replace returns the list with one in the place of the element that it is the same
// as, or at the end.
func replace[T any](list []T, one T, same func(T) bool) []T {
	list = slices.Clone(list)
	if i := slices.IndexFunc(list, same); i >= 0 {
		list[i] = one
		return list
	}
	return append(list, one)
}

// SetRegion sets the country, as "RO", of phone numbers that are written without
// one; "" takes such numbers for no identifier.
func (s *Service) SetRegion(ctx context.Context, ws, region string, edit ...Edit) (Rules, error) {
	if region != "" && !phonenumbers.GetSupportedRegions()[region] {
		return Rules{}, core.Errorf(core.Invalid, "REGION", "the region must be a two-letter country code such as RO").At("region")
	}
	r, err := s.change(ctx, ws, edit, func(doc *SettingsDoc) *core.Error { doc.Region = region; return nil })
	if err != nil {
		return Rules{}, err
	}
	return r.shown(), nil
}

// change writes what f makes of the settings. Settings that f leaves as they are
// keep their version.
func (s *Service) change(ctx context.Context, ws string, edit []Edit, f func(*SettingsDoc) *core.Error) (*rules, error) {
	var how Edit
	if len(edit) > 0 {
		how = edit[0]
	}
	for range maxAttempts {
		old, err := s.readRules(ctx, ws)
		if err != nil {
			return nil, storeError("read settings", err)
		}
		if have := old.doc.V; how.ExpectedVersion != nil && *how.ExpectedVersion != have {
			return nil, core.Errorf(core.Conflict, "VERSION_CONFLICT", "the settings of identity have version %d, not %d; read them and try again", have, *how.ExpectedVersion).At("expectedVersion")
		}
		doc := *old.doc
		if e := f(&doc); e != nil {
			return nil, e
		}
		if doc.same(old.doc) {
			return old, nil
		}
		if how.DryRun {
			return compile(&doc), nil
		}
		_, err = s.db.Commit(ctx, store.Batch{ID: core.NewID(core.PrefixBatch, s.clock.Now()), Ops: []store.Op{Settings.Put(&doc)}})
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return nil, storeError("write settings", err)
		}
		r, err := s.readRules(ctx, ws)
		if err != nil {
			return nil, storeError("read settings", err)
		}
		return r, nil
	}
	return nil, errBusy
}

// same reports whether two settings say the same.
func (d *SettingsDoc) same(o *SettingsDoc) bool {
	return d.Region == o.Region &&
		slices.EqualFunc(d.Namespaces, o.Namespaces, func(a, b Namespace) bool {
			return a.Name == b.Name && a.Priority == b.Priority && a.Limit == b.Limit && a.Exclusive == b.Exclusive && slices.Equal(a.Blocklist, b.Blocklist)
		}) &&
		slices.EqualFunc(d.TraitRules, o.TraitRules, func(a, b TraitRule) bool {
			return a.Trait == b.Trait && slices.Equal(a.Sources, b.Sources)
		})
}
