package consent

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Each change of a register that lets somebody's data be used who did not let it is said,
// and one that asks for more is not.
func TestWhatLoosensIsSaid(t *testing.T) {
	strict := Purpose{
		Key: "news", Name: "News", Parent: Marketing, LegalBasis: BasisConsent,
		ConsentRequired: true, EvidenceRequired: true, DoubleOptIn: true, SaleOrSharing: true,
		Jurisdictions: map[string]string{"DE": OptIn},
	}
	out := []Jurisdiction{{Country: "US", Rule: OptOut}}
	for name, c := range map[string]struct {
		edit     func(p *Purpose)
		settings func(s *Settings)
		want     []string
	}{
		"a name":         {edit: func(p *Purpose) { p.Name = "The news" }},
		"consent":        {edit: func(p *Purpose) { p.ConsentRequired, p.LegalBasis = false, BasisLegitimateInterests }, want: []string{"the purpose news requires consent no more"}},
		"evidence":       {edit: func(p *Purpose) { p.EvidenceRequired = false }, want: []string{"a yes to the purpose news counts without evidence"}},
		"double opt-in":  {edit: func(p *Purpose) { p.DoubleOptIn = false }, want: []string{"a yes to the purpose news counts without having been confirmed"}},
		"signals":        {edit: func(p *Purpose) { p.SaleOrSharing = false }, want: []string{"a signal of Global Privacy Control is no more a no to the purpose news"}},
		"parent":         {edit: func(p *Purpose) { p.Parent = "" }, want: []string{"a no to the purpose marketing is none to news any more"}},
		"below another":  {edit: func(p *Purpose) { p.Parent = Advertising }},
		"a country":      {edit: func(p *Purpose) { p.Jurisdictions = map[string]string{"DE": OptOut} }, want: []string{"who said nothing of the purpose news may be addressed in DE"}},
		"the same rule":  {edit: func(p *Purpose) { p.Jurisdictions = nil }},
		"stricter":       {settings: func(s *Settings) { s.Jurisdictions = nil }},
		"other traits":   {settings: func(s *Settings) { s.CountryTraits = []string{"home"} }, want: []string{"where people are, and with it which rule holds for them, is read from other traits"}},
		"traits, all in": {settings: func(s *Settings) { s.CountryTraits, s.Jurisdictions = []string{"home"}, nil }},
		"a region": {settings: func(s *Settings) {
			s.Jurisdictions = append(s.Jurisdictions, Jurisdiction{Country: "DE-BY", Purpose: "news", Rule: OptOut})
		}, want: []string{"who said nothing of the purpose news may be addressed in DE-BY"}},
		"one country": {settings: func(s *Settings) {
			s.Jurisdictions = append(s.Jurisdictions, Jurisdiction{Country: "FR", Purpose: Marketing, Rule: OptOut})
		}, want: []string{"who said nothing of the purpose marketing may be addressed in FR"}},
		"everywhere else": {settings: func(s *Settings) { s.Default = OptOut }, want: []string{
			"who said nothing of the purpose advertising may be addressed where nothing else is said",
			"who said nothing of the purpose advertising may be addressed in DE",
			"who said nothing of the purpose marketing may be addressed where nothing else is said",
			"who said nothing of the purpose marketing may be addressed in DE",
			"who said nothing of the purpose news may be addressed where nothing else is said",
			"who said nothing of the purpose personalisation may be addressed where nothing else is said",
			"who said nothing of the purpose personalisation may be addressed in DE",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			before := Settings{Jurisdictions: out}
			p, s := strict.clone(), before.clone()
			if c.edit != nil {
				c.edit(&p)
			}
			if c.settings != nil {
				c.settings(&s)
			}
			require.Equal(t, c.want, newRegister([]Purpose{strict}, before).loosened(newRegister([]Purpose{p}, s)))
		})
	}
	require.Equal(t, "a; b", said([]string{"a", "b"}))
	require.Equal(t, "1; 2; 3; 4; 5; 6; 7; 8; 9; 10; and 2 more", said([]string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"}))
}
