package profile

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// Namespace is a kind of identifier and its rules.
type Namespace struct {
	Name      string   `bson:"name"`
	Priority  int      `bson:"priority"`  // 1 to 1000; the event goes to the holder of its highest
	Limit     int      `bson:"limit"`     // values that rules let one profile hold, 1 to 1000
	Exclusive bool     `bson:"exclusive"` // profiles with different values are known to differ
	Blocklist []string `bson:"blocklist"` // normalised values that name nobody
	Version   int64    `bson:"-"`         // of the settings that it was read with
}

// TraitRule makes a top-level trait follow the most trusted source instead of the
// latest write.
type TraitRule struct {
	Trait   string   `bson:"trait"`   // the first segment of the trait's path; stored without escapes
	Sources []string `bson:"sources"` // src_…, most trusted first; others rank below, equal
	Version int64    `bson:"-"`       // of the settings that it was read with
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
		one := n.Namespace
		one.Version = r.doc.V
		out = append(out, one)
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

// Rules are a workspace's trait rules and its region for phone numbers.
type Rules struct {
	Traits  []TraitRule // sorted by trait
	Region  string      // "" takes no number without a country
	Version int64       // of the settings, namespaces among them; 0 before the first change
}

// Rules returns the workspace's trait rules and its region for phone numbers.
func (s *Service) Rules(ctx context.Context, ws string) (Rules, error) {
	r, err := s.readRules(ctx, ws)
	if err != nil {
		return Rules{}, storeError("read settings", err)
	}
	return r.shown(), nil
}

func (r *rules) shown() Rules {
	out := Rules{Traits: slices.Clone(r.doc.TraitRules), Region: r.doc.Region, Version: r.doc.V}
	for i := range out.Traits {
		out.Traits[i].Version = r.doc.V
		out.Traits[i].Trait = escape(out.Traits[i].Trait)
	}
	slices.SortFunc(out.Traits, func(a, b TraitRule) int { return strings.Compare(a.Trait, b.Trait) })
	return out
}
