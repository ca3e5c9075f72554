package consent

import (
	"maps"
	"time"
)

// The legal bases of article 6(1) GDPR.
const (
	BasisConsent             = "CONSENT"
	BasisContract            = "CONTRACT"
	BasisLegalObligation     = "LEGAL_OBLIGATION"
	BasisVitalInterests      = "VITAL_INTERESTS"
	BasisPublicTask          = "PUBLIC_TASK"
	BasisLegitimateInterests = "LEGITIMATE_INTERESTS"
)

// Bases lists them.
func Bases() []string {
	return []string{BasisConsent, BasisContract, BasisLegalObligation, BasisVitalInterests, BasisPublicTask, BasisLegitimateInterests}
}

// The rules of a jurisdiction for a purpose that needs consent.
const (
	OptIn  = "OPT_IN"  // who said nothing has not agreed
	OptOut = "OPT_OUT" // who said nothing may be addressed until they object
)

// Purpose is something that people's data is used for.
type Purpose struct {
	Key              string            `bson:"key"`
	Name             string            `bson:"name"`
	Description      string            `bson:"description,omitempty"`
	Parent           string            `bson:"parent,omitempty"` // key; a no to it is a no to this one
	LegalBasis       string            `bson:"legalBasis"`
	ConsentRequired  bool              `bson:"consentRequired"`         // only people who agreed
	EvidenceRequired bool              `bson:"evidenceRequired"`        // a yes counts with evidence only
	DoubleOptIn      bool              `bson:"doubleOptIn"`             // a yes counts when it was confirmed
	ConfirmWithin    time.Duration     `bson:"confirmWithin,omitempty"` // how long such a yes waits; 0: DefaultConfirmWithin
	SaleOrSharing    bool              `bson:"saleOrSharing"`           // a Global Privacy Control signal is a no to it
	Retention        time.Duration     `bson:"retention,omitempty"`     // how long its data is kept; 0: not stated
	Jurisdictions    map[string]string `bson:"jurisdictions,omitempty"` // country → OPT_IN or OPT_OUT, before the workspace's own
	Archived         bool              `bson:"archived,omitempty"`      // nothing may be done for it any more
	Version          int64             `bson:"version"`                 // rises with every change; 0: built in and never changed
}

// Objectionable reports whether a person's no ends the use of data for the purpose:
// it does under consent, legitimate interests (article 21 GDPR) and a public task.
func (p *Purpose) Objectionable() bool {
	switch p.LegalBasis {
	case BasisContract, BasisLegalObligation, BasisVitalInterests:
		return p.ConsentRequired
	}
	return true
}

// DefaultConfirmWithin is how long a yes waits for its confirmation where the purpose
// does not say.
const DefaultConfirmWithin = 7 * 24 * time.Hour

// confirmWithin returns how long a yes to the purpose waits for its confirmation.
func (p *Purpose) confirmWithin() time.Duration {
	if p.ConfirmWithin > 0 {
		return p.ConfirmWithin
	}
	return DefaultConfirmWithin
}

func (p *Purpose) clone() Purpose {
	c := *p
	c.Jurisdictions = maps.Clone(p.Jurisdictions)
	return c
}

func (p *Purpose) same(o *Purpose) bool {
	a, b := *p, *o
	a.Jurisdictions, b.Jurisdictions = nil, nil
	a.Version, b.Version = 0, 0
	return purposeFields(a) == purposeFields(b) && maps.Equal(p.Jurisdictions, o.Jurisdictions)
}

// purposeFields is what of a purpose can be compared as it is.
func purposeFields(p Purpose) [12]any {
	return [12]any{
		p.Key, p.Name, p.Description, p.Parent, p.LegalBasis, p.ConsentRequired, p.EvidenceRequired, p.DoubleOptIn,
		p.SaleOrSharing, p.Retention, p.Archived, p.ConfirmWithin,
	}
}

// The purposes that every workspace has.
const (
	Operations      = "operations"
	Support         = "support"
	Analytics       = "analytics"
	Marketing       = "marketing"
	Advertising     = "advertising"
	Personalisation = "personalisation"
	Compliance      = "compliance"
	Security        = "security"
)

// Builtin returns the purposes of a new workspace. They can be changed, not removed.
func Builtin() []Purpose {
	return []Purpose{
		{Key: Operations, Name: "Operations", LegalBasis: BasisContract, Description: "What is needed to do for people what they asked for."},
		{Key: Support, Name: "Support", Parent: Operations, LegalBasis: BasisContract, Description: "Answering people's questions and complaints."},
		{Key: Analytics, Name: "Analytics", LegalBasis: BasisLegitimateInterests, Description: "Learning from figures how the business goes."},
		{Key: Marketing, Name: "Marketing", LegalBasis: BasisConsent, ConsentRequired: true, Description: "Telling people of offers and news."},
		{Key: Advertising, Name: "Advertising", Parent: Marketing, LegalBasis: BasisConsent, ConsentRequired: true, SaleOrSharing: true, Description: "Showing people elsewhere what suits what they did here."},
		{Key: Personalisation, Name: "Personalisation", Parent: Marketing, LegalBasis: BasisConsent, ConsentRequired: true, Description: "Choosing what people see by what they did."},
		{Key: Compliance, Name: "Compliance", LegalBasis: BasisLegalObligation, Description: "Answering people's requests and proving what was done."},
		{Key: Security, Name: "Security", LegalBasis: BasisLegitimateInterests, Description: "Keeping people's data and the service safe."},
	}
}
