package consent

import (
	"regexp"
	"slices"
	"strings"
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
