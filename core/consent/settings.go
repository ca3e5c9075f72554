package consent

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
)

// Settings are what a workspace says about where people are and which rule holds
// there.
type Settings struct {
	CountryTraits []string       `bson:"countryTraits,omitempty"` // paths of traits, the first that holds a country's code wins
	Default       string         `bson:"default,omitempty"`       // OPT_IN or OPT_OUT where nothing else is said
	Jurisdictions []Jurisdiction `bson:"jurisdictions,omitempty"`
	Version       int64          `bson:"version"`
}

// Jurisdiction is the rule of a country for a purpose.
type Jurisdiction struct {
	Country string `bson:"country"`           // ISO 3166: "DE", or with a region "US-CA"
	Purpose string `bson:"purpose,omitempty"` // key; "" is every purpose
	Rule    string `bson:"rule"`              // OPT_IN or OPT_OUT
}

// DefaultCountryTraits is where a person's country is looked for.
func DefaultCountryTraits() []string { return []string{"address.country", "country"} }

// complete fills in what a workspace left open.
func (s Settings) complete() Settings {
	s = s.clone()
	if len(s.CountryTraits) == 0 {
		s.CountryTraits = DefaultCountryTraits()
	}
	if s.Default == "" {
		s.Default = OptIn
	}
	return s
}

func (s Settings) clone() Settings {
	s.CountryTraits = slices.Clone(s.CountryTraits)
	s.Jurisdictions = slices.Clone(s.Jurisdictions)
	return s
}

// rule returns what is said of a country and purpose, or else of the country.
func (s *Settings) rule(country, purpose string) (string, bool) {
	rule, found := "", false
	for _, j := range s.Jurisdictions {
		if j.Country != country || j.Purpose != "" && j.Purpose != purpose {
			continue
		}
		if j.Purpose == purpose && purpose != "" {
			return j.Rule, true
		}
		rule, found = j.Rule, true
	}
	return rule, found
}

var countryCode = regexp.MustCompile(`^[A-Z]{2}(-[A-Z0-9]{1,3})?$`)

// Country returns a country's code as rules have it, "DE" or "US-CA", or "" for text
// that is none.
func Country(text string) string {
	text = strings.ToUpper(strings.TrimSpace(text))
	if !countryCode.MatchString(text) {
		return ""
	}
	return text
}

func (s *Settings) same(o *Settings) bool {
	return s.Default == o.Default && slices.Equal(s.CountryTraits, o.CountryTraits) && slices.Equal(s.Jurisdictions, o.Jurisdictions)
}

// SetSettings replaces the workspace's rules of jurisdictions. Without paths of traits
// or a default rule those of a new workspace hold.
func (s *Service) SetSettings(ctx context.Context, ws string, next Settings, edit Edit) (Settings, error) {
	change, err := settling(next, edit)
	if err != nil {
		return Settings{}, err
	}
	r, err := s.change(ctx, ws, Trace{Action: "consent.settings", Resource: "consentSettings", Decision: core.Allow}, edit.DryRun, change)
	if err != nil {
		return Settings{}, err
	}
	return r.Settings(), nil
}

// settling returns what makes settings those of the register.
func settling(next Settings, edit Edit) (func(*Register, *registerDoc) *core.Error, error) {
	if len(next.CountryTraits) > 10 {
		return nil, core.Errorf(core.Invalid, "TOO_MANY", "name at most 10 traits").At("countryTraits")
	}
	for i, path := range next.CountryTraits {
		if path == "" || len(path) > 200 {
			return nil, core.Errorf(core.Invalid, "TRAIT", "name the path of a trait, at most 200 bytes").At("countryTraits", strconv.Itoa(i))
		}
	}
	if next.Default != "" && next.Default != OptIn && next.Default != OptOut {
		return nil, core.Errorf(core.Invalid, "JURISDICTION_RULE", "the rule is OPT_IN or OPT_OUT").At("default")
	}
	if len(next.Jurisdictions) > maxJurisdictions {
		return nil, core.Errorf(core.Invalid, "TOO_MANY", "a workspace has at most %d rules", maxJurisdictions).At("jurisdictions")
	}
	return func(r *Register, doc *registerDoc) *core.Error {
		if have := doc.Settings.Version; edit.ExpectedVersion != nil && *edit.ExpectedVersion != have {
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the settings have version %d, not %d; read them and try again", have, *edit.ExpectedVersion).At("expectedVersion")
		}
		for i, j := range next.Jurisdictions {
			at := []string{"jurisdictions", strconv.Itoa(i)}
			if e := checkRule(j.Country, j.Rule); e != nil {
				return e.At(at...)
			}
			if j.Purpose != "" && r.Purpose(j.Purpose) == nil {
				return errNoPurpose("purpose").At(at...)
			}
			if slices.ContainsFunc(next.Jurisdictions[:i], func(o Jurisdiction) bool { return o.Country == j.Country && o.Purpose == j.Purpose }) {
				return core.Errorf(core.Invalid, "JURISDICTION_TWICE", "there is one rule for a country and purpose").At(at...)
			}
		}
		if doc.Settings.same(&next) {
			return nil
		}
		was := doc.Settings.Version
		doc.Settings = next.clone()
		doc.Settings.Version = was + 1
		return nil
	}, nil
}
