package consent

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Register is a snapshot of a workspace's purposes and rules. It does not change.
type Register struct {
	Revision int64     // of the whole register; 0 until the first change
	At       time.Time // since when it holds; zero for revision 0

	settings Settings
	purposes map[string]*Purpose
	chains   map[string][]string
	keys     []string
}

// newRegister compiles the purposes of a workspace over the built-in ones.
func newRegister(own []Purpose, settings Settings) *Register {
	r := &Register{settings: settings.complete(), purposes: map[string]*Purpose{}, chains: map[string][]string{}}
	for _, p := range append(Builtin(), own...) {
		c := p.clone()
		r.purposes[p.Key] = &c
	}
	for key := range r.purposes {
		r.keys = append(r.keys, key)
		r.chains[key] = r.climb(key)
	}
	slices.Sort(r.keys)
	return r
}

// DefaultRegister is the register of a workspace that changed nothing.
func DefaultRegister() *Register { return defaultRegister() }

var defaultRegister = sync.OnceValue(func() *Register { return newRegister(nil, Settings{}) })

// climb walks from a purpose to its last ancestor. A walk that comes back to where it
// was ends there.
func (r *Register) climb(key string) []string {
	var chain []string
	for p := r.purposes[key]; p != nil && !slices.Contains(chain, p.Key); p = r.purposes[p.Parent] {
		chain = append(chain, p.Key)
	}
	return chain
}

// Purpose returns the purpose with a key, or nil. It must not be changed.
func (r *Register) Purpose(key string) *Purpose { return r.purposes[key] }

// Keys lists the keys of all purposes, archived ones among them, sorted.
func (r *Register) Keys() []string { return slices.Clone(r.keys) }

// Purposes lists all purposes, archived ones among them, sorted by key.
func (r *Register) Purposes() []Purpose {
	out := make([]Purpose, len(r.keys))
	for i, key := range r.keys {
		out[i] = r.purposes[key].clone()
	}
	return out
}

// Chain lists a purpose and its ancestors, the nearest first; nothing for one that is
// not in the register. The list must not be changed.
func (r *Register) Chain(key string) []string { return r.chains[key] }

// Children lists the purposes whose chain holds key, itself aside, sorted.
func (r *Register) Children(key string) []string {
	var out []string
	for _, k := range r.keys {
		if k != key && slices.Contains(r.chains[k], key) {
			out = append(out, k)
		}
	}
	return out
}

// Settings returns the workspace's rules of jurisdictions.
func (r *Register) Settings() Settings { return r.settings.clone() }

// Rule returns OPT_IN or OPT_OUT for a purpose in a country ("DE", "US-CA", "" when
// it is not known): the purpose's own rule, else the workspace's for the purpose, for
// the country, for everywhere. A region without a rule has its country's.
func (r *Register) Rule(country, purpose string) string {
	p := r.purposes[purpose]
	for at := Country(country); at != ""; at = widen(at) {
		if p != nil {
			if rule, ok := p.Jurisdictions[at]; ok {
				return rule
			}
		}
		if rule, ok := r.settings.rule(at, purpose); ok {
			return rule
		}
	}
	return r.settings.Default
}

// widen makes of "US-CA" "US" and of "US" nothing.
func widen(country string) string {
	at, _, ok := strings.Cut(country, "-")
	if !ok {
		return ""
	}
	return at
}

// CountryTraits lists the paths of traits that say in which country a person is, the
// first that does wins. The list must not be changed.
func (r *Register) CountryTraits() []string { return r.settings.CountryTraits }
