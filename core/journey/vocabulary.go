package journey

import (
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
)

// Vocabulary is what a workspace knows of the things that journeys name. It answers
// from memory.
type Vocabulary interface {
	// Conditions is the vocabulary of conditions: segments, types of records, traits,
	// events. Nil leaves those unchecked.
	Conditions() condition.Vocabulary
	// Template describes a template.
	Template(id string) (TemplateInfo, bool)
	// Purposes lists the keys of the purposes; nil: not known.
	Purposes() []string
	// Pool tells whether there is a pool of coupons with the key.
	Pool(key string) bool
	// Rule tells whether there is a scoring rule with the key.
	Rule(key string) bool
	// Secret tells whether there is a secret of that name to sign webhooks with.
	Secret(name string) bool
	// Journey describes another journey.
	Journey(id string) (JourneyInfo, bool)
	// Connected tells whether some connection sends on the channel.
	Connected(channel string) bool
}

// TemplateInfo is what a journey must know of a template.
type TemplateInfo struct {
	Channel   string   // "" fits any
	Published bool     // has a version that can be sent
	Archived  bool     // can no longer be used
	Missing   []string // values that its newest published version shows without a fallback
}

// JourneyInfo is what a journey must know of another.
type JourneyInfo struct {
	Archived bool
	Subs     []string // jrn_… that its newest version starts
}

// Options say what a definition is checked for.
type Options struct {
	// Publish refuses what a draft may still have: templates that are not published or
	// lack a fallback.
	Publish bool
	// Self is the journey, for cycles of sub-journeys; "" for a new one.
	Self string
	// Now bounds fixed times; zero leaves them.
	Now time.Time
}

// The reasons of warnings, beside those of conditions.
const (
	WarnNotConnected = "CHANNEL_NOT_CONNECTED"
	WarnNotPublished = "TEMPLATE_NOT_PUBLISHED" // in a draft
	WarnPast         = "TIME_IS_PAST"
)
