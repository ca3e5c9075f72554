package profile

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Namespace is a kind of identifier and its rules.
type Namespace struct {
	Name      string   `bson:"name"`
	Priority  int      `bson:"priority"`  // 1 to 1000; the event goes to the holder of its highest
	Limit     int      `bson:"limit"`     // values that rules let one profile hold, 1 to 1000
	Exclusive bool     `bson:"exclusive"` // profiles with different values are known to differ
	Blocklist []string `bson:"blocklist"` // normalised values that name nobody
}

// TraitRule makes a top-level trait follow the most trusted source instead of the
// latest write.
type TraitRule struct {
	Trait   string   `bson:"trait"`   // the first segment of the trait's path
	Sources []string `bson:"sources"` // src_…, most trusted first; others rank below, equal
}

// SettingsDoc holds a workspace's rules of identity and traits: what differs from
// the defaults.
type SettingsDoc struct {
	store.Meta `bson:",inline"` // key: workspace/settings
	Namespaces []Namespace      `bson:"namespaces"`
	TraitRules []TraitRule      `bson:"traitRules"`
	Region     string           `bson:"region"` // for phone numbers without a country, as "RO"; "" takes none
}

// Settings holds one document per workspace.
var Settings = store.Declare[SettingsDoc](store.Spec{Name: "namespaces"})

// The namespaces that every workspace has.
const (
	UserID      = "user_id"
	Email       = "email"
	Phone       = "phone"
	AnonymousID = "anonymous_id"
)

// What software sends when it has nobody to name.
var blockedAnywhere = []string{
	"undefined", "null", "nil", "none", "nan", "n/a", "na", "anonymous", "guest", "unknown", "not set", "(not set)",
	"-1", "0", "true", "false", "[object object]", "00000000-0000-0000-0000-000000000000",
}

// DefaultNamespaces returns the namespaces of a new workspace.
func DefaultNamespaces() []Namespace {
	return []Namespace{
		{Name: UserID, Priority: 100, Limit: 1, Exclusive: true, Blocklist: slices.Clone(blockedAnywhere)},
		{Name: Email, Priority: 80, Limit: 5, Blocklist: []string{
			"test@test.com", "test@example.com", "example@example.com", "email@example.com", "user@example.com",
			"noreply@example.com", "null@null.com", "undefined@undefined.com", "none@none.com", "na@na.com", "no@no.com", "a@a.com",
		}},
		{Name: Phone, Priority: 70, Limit: 5, Blocklist: []string{"+10000000000", "+11111111111", "+12345678900", "+1234567890"}},
		{Name: AnonymousID, Priority: 20, Limit: 100, Blocklist: slices.Clone(blockedAnywhere)},
	}
}

// rules are the settings as resolution uses them.
type rules struct {
	doc        *SettingsDoc // as stored; version 0 when nothing is
	namespaces map[string]*namespace
	priorities map[string]map[string]int64 // top-level trait → source → rank
	region     string
	readAt     time.Time
}

type namespace struct {
	Namespace
	blocked map[string]bool
}

func compile(doc *SettingsDoc) *rules {
	r := &rules{doc: doc, namespaces: map[string]*namespace{}, region: doc.Region}
	for _, n := range append(DefaultNamespaces(), doc.Namespaces...) {
		c := &namespace{Namespace: n, blocked: make(map[string]bool, len(n.Blocklist))}
		for _, v := range n.Blocklist {
			c.blocked[strings.ToLower(v)] = true
		}
		r.namespaces[n.Name] = c
	}
	if len(doc.TraitRules) > 0 {
		r.priorities = map[string]map[string]int64{}
	}
	for _, t := range doc.TraitRules {
		ranks := map[string]int64{}
		for i, s := range t.Sources {
			ranks[s] = int64(len(t.Sources) - i)
		}
		r.priorities[t.Trait] = ranks
	}
	return r
}

// list returns the namespaces, the highest priority first.
func (r *rules) list() []Namespace {
	out := make([]Namespace, 0, len(r.namespaces))
	for _, n := range r.namespaces {
		out = append(out, n.Namespace)
	}
	slices.SortFunc(out, func(a, b Namespace) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), strings.Compare(a.Name, b.Name))
	})
	return out
}

// settingsAge is how long a process may work by settings that another process has
// changed.
const settingsAge = time.Second

// rules returns the workspace's rules, read at most settingsAge ago.
func (s *Service) rules(ctx context.Context, ws string) (*rules, error) {
	now := time.Now()
	if v, ok := s.settings.Load(ws); ok {
		if r := v.(*rules); now.Sub(r.readAt) < settingsAge {
			return r, nil
		}
	}
	return s.readRules(ctx, ws)
}

func (s *Service) readRules(ctx context.Context, ws string) (*rules, error) {
	now := time.Now()
	doc, err := Settings.Get(ctx, s.db, store.Key(ws, "settings"))
	if err != nil {
		return nil, err
	}
	if doc == nil {
		doc = &SettingsDoc{Meta: store.Meta{ID: store.Key(ws, "settings")}}
	}
	r := compile(doc)
	r.readAt = now
	s.settings.Store(ws, r)
	return r, nil
}

// Namespaces returns the workspace's namespaces, the highest priority first.
func (s *Service) Namespaces(ctx context.Context, ws string) ([]Namespace, error) {
	r, err := s.readRules(ctx, ws)
	if err != nil {
		return nil, storeError("read namespaces", err)
	}
	return r.list(), nil
}

// Rules returns the workspace's trait rules and its region for phone numbers.
func (s *Service) Rules(ctx context.Context, ws string) ([]TraitRule, string, error) {
	r, err := s.readRules(ctx, ws)
	if err != nil {
		return nil, "", storeError("read settings", err)
	}
	return r.doc.TraitRules, r.doc.Region, nil
}

var namespaceName = regexp.MustCompile(`^[a-z][a-z0-9_.]{0,39}$`)

// SetNamespace adds a namespace or replaces the rules of one. It holds for events
// from now on: what rules joined or kept apart before stays as it is.
func (s *Service) SetNamespace(ctx context.Context, ws string, n Namespace) ([]Namespace, error) {
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
	r, err := s.change(ctx, ws, func(doc *SettingsDoc) *core.Error {
		doc.Namespaces = slices.DeleteFunc(slices.Clone(doc.Namespaces), func(o Namespace) bool { return o.Name == n.Name })
		doc.Namespaces = append(doc.Namespaces, n)
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
func (s *Service) SetTraitRule(ctx context.Context, ws string, rule TraitRule) error {
	if rule.Trait == "" || len(rule.Trait) > maxPath {
		return core.Errorf(core.Invalid, "TRAIT", "name the top-level trait, at most %d bytes", maxPath).At("trait")
	}
	if len(rule.Sources) > 100 {
		return core.Errorf(core.Invalid, "TOO_MANY_SOURCES", "a rule ranks at most 100 sources").At("sources")
	}
	_, err := s.change(ctx, ws, func(doc *SettingsDoc) *core.Error {
		doc.TraitRules = slices.DeleteFunc(slices.Clone(doc.TraitRules), func(o TraitRule) bool { return o.Trait == rule.Trait })
		if len(rule.Sources) > 0 {
			doc.TraitRules = append(doc.TraitRules, rule)
		}
		if len(doc.TraitRules) > 200 {
			return core.Errorf(core.Invalid, "TOO_MANY_RULES", "a workspace has at most 200 trait rules")
		}
		return nil
	})
	return err
}

// SetRegion sets the country, as "RO", of phone numbers that are written without
// one; "" takes such numbers for no identifier.
func (s *Service) SetRegion(ctx context.Context, ws, region string) error {
	if region != "" && !phonenumbers.GetSupportedRegions()[region] {
		return core.Errorf(core.Invalid, "REGION", "the region must be a two-letter country code such as RO").At("region")
	}
	_, err := s.change(ctx, ws, func(doc *SettingsDoc) *core.Error { doc.Region = region; return nil })
	return err
}

func (s *Service) change(ctx context.Context, ws string, f func(*SettingsDoc) *core.Error) (*rules, error) {
	for range maxAttempts {
		old, err := s.readRules(ctx, ws)
		if err != nil {
			return nil, storeError("read settings", err)
		}
		doc := *old.doc
		if e := f(&doc); e != nil {
			return nil, e
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
