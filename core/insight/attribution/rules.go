package attribution

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Dimension is what figures may be asked by.
type Dimension string

// The dimensions of a touchpoint.
const (
	Channel  Dimension = "CHANNEL"
	Campaign Dimension = "CAMPAIGN"
	Journey  Dimension = "JOURNEY"
	Node     Dimension = "NODE"
	Origin   Dimension = "SOURCE" // where the person came from: a search engine, a partner
)

// Dimensions lists the dimensions; a Point holds its values in this order.
var Dimensions = []Dimension{Channel, Campaign, Journey, Node, Origin}

// Lookup is one way to find a value in an event.
type Lookup struct {
	Path  string `bson:"path,omitempty"`  // properties.…, context.campaign.…, context.page.… or context.referrer.…
	Param string `bson:"param,omitempty"` // the value is an address: this parameter of it
	Host  bool   `bson:"host,omitempty"`  // the value is an address of another host than the page's own: its host
	Text  string `bson:"text,omitempty"`  // stands for the value, when there is one; without a path always
}

// Touch says that events are touchpoints: those of which it finds a channel. Of several
// rules that fit an event the first is taken.
type Touch struct {
	Key   string              `bson:"key"`
	Event string              `bson:"event"`
	Days  int                 `bson:"days"` // for how long before a conversion it counts, in days of 24 hours
	Find  map[string][]Lookup `bson:"find"` // by Dimension: the first that finds something
}

// Goal says that events are conversions.
type Goal struct {
	Key          string `bson:"key"`
	Event        string `bson:"event"`
	ValuePath    string `bson:"value,omitempty"`        // of a number, or of money {amount, currency}; "": conversions without a value
	CurrencyPath string `bson:"currencyPath,omitempty"` // where the value is a number
	Currency     string `bson:"currency,omitempty"`     // where none is found; "": then there is no value
}

// Rules are what a workspace counts as touchpoints and as conversions.
type Rules struct {
	store.Meta  `bson:",inline"` // key: workspace/rules; its version is the rules'
	Touches     []Touch          `bson:"touches"`
	Conversions []Goal           `bson:"conversions"`
	At          time.Time        `bson:"at"`
}

// Version returns the version of the rules, 0 while none were set.
func (r *Rules) Version() int64 { return r.V }

// UsualRules are those of a workspace that has set none: clicks in messages, campaign
// parameters and referrers of page views, calls, and touchpoints that were imported; and
// as a conversion "purchase" the event "Order Completed" with its total.
func UsualRules() *Rules {
	prop := func(p string) []Lookup { return []Lookup{{Path: "properties." + p}} }
	utm := func(field, param string) []Lookup {
		return []Lookup{{Path: "context.campaign." + field}, {Path: "context.page.url", Param: param}}
	}
	ours := func(key, event string) Touch {
		return Touch{Key: key, Event: event, Days: 30, Find: map[string][]Lookup{
			string(Channel): prop("channel"), string(Campaign): prop("campaignId"), string(Journey): prop("journeyId"), string(Node): prop("nodeId"),
		}}
	}
	page := "Page Viewed"
	return &Rules{
		Touches: []Touch{
			ours("message-click", "Message Clicked"),
			{Key: "utm", Event: page, Days: 30, Find: map[string][]Lookup{
				string(Channel): utm("medium", "utm_medium"), string(Campaign): utm("name", "utm_campaign"), string(Origin): utm("source", "utm_source"),
			}},
			{Key: "referrer", Event: page, Days: 30, Find: map[string][]Lookup{
				string(Channel): {{Path: "context.page.referrer", Host: true, Text: "referral"}},
				string(Origin):  {{Path: "context.page.referrer", Host: true}},
			}},
			{Key: "call", Event: "Call Completed", Days: 30, Find: map[string][]Lookup{
				string(Channel): {{Text: "call"}}, string(Campaign): prop("campaign"), string(Origin): prop("source"),
			}},
			{Key: "offline", Event: "Offline Touchpoint", Days: 90, Find: map[string][]Lookup{
				string(Channel): prop("channel"), string(Campaign): prop("campaign"), string(Origin): prop("source"),
			}},
		},
		Conversions: []Goal{{Key: "purchase", Event: "Order Completed", ValuePath: "properties.total", CurrencyPath: "properties.currency"}},
	}
}

// The bounds of rules.
const (
	maxRules   = 100
	maxLookups = 10
	maxText    = 200
	// MaxDays is for how long before a conversion a touchpoint may count.
	MaxDays = 365
)

var (
	keyForm      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)
	currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)
	roots        = []string{"properties.", "context.campaign.", "context.page.", "context.referrer."}
)

// Check refuses rules that cannot be; the path says which.
func (r *Rules) Check() *core.Error {
	if len(r.Touches) > maxRules || len(r.Conversions) > maxRules {
		return invalid("TOO_MANY_RULES", "a workspace has at most %d kinds of touchpoints and of conversions", maxRules)
	}
	for i := range r.Touches {
		t := &r.Touches[i]
		at := func(e *core.Error) *core.Error { return e.At("touches", strconv.Itoa(i)) }
		switch {
		case !keyForm.MatchString(t.Key) || r.touch(t.Key) != t:
			return at(invalid("RULE_KEY", "a rule has a key of its own: a letter and up to 63 letters, digits, _ and -").At("key"))
		case badText(t.Event):
			return at(invalid("EVENT", "name the event, in at most %d bytes", maxText).At("event"))
		case t.Days < 1 || t.Days > MaxDays:
			return at(invalid("DAYS", "a touchpoint counts for 1 to %d days", MaxDays).At("days"))
		case len(t.Find[string(Channel)]) == 0:
			return at(invalid("CHANNEL", "say where the channel of the touchpoint is found").At("channel"))
		}
		for d, list := range t.Find {
			if !slices.Contains(Dimensions, Dimension(d)) || len(list) > maxLookups {
				return at(invalid("LOOKUP", "a dimension is found in at most %d ways", maxLookups).At(strings.ToLower(d)))
			}
			for j, l := range list {
				if e := l.check(); e != nil {
					return at(e.At(strings.ToLower(d), strconv.Itoa(j)))
				}
			}
		}
	}
	for i := range r.Conversions {
		g := &r.Conversions[i]
		at := func(e *core.Error) *core.Error { return e.At("conversions", strconv.Itoa(i)) }
		switch {
		case !keyForm.MatchString(g.Key) || r.goal(g.Key) != g:
			return at(invalid("RULE_KEY", "a rule has a key of its own: a letter and up to 63 letters, digits, _ and -").At("key"))
		case badText(g.Event):
			return at(invalid("EVENT", "name the event, in at most %d bytes", maxText).At("event"))
		case g.ValuePath != "" && !property(g.ValuePath):
			return at(invalid("PATH", "a value stands in the properties: properties.total").At("valuePath"))
		case g.CurrencyPath != "" && !property(g.CurrencyPath):
			return at(invalid("PATH", "a currency stands in the properties: properties.currency").At("currencyPath"))
		case g.Currency != "" && !currencyForm.MatchString(g.Currency):
			return at(invalid("CURRENCY", "a currency is three capital letters, such as EUR").At("currency"))
		}
	}
	return nil
}

func (l Lookup) check() *core.Error {
	known := slices.ContainsFunc(roots, func(root string) bool { return strings.HasPrefix(l.Path, root) && len(l.Path) > len(root) })
	switch {
	case l.Path == "" && (badText(l.Text) || l.Param != "" || l.Host):
		return invalid("LOOKUP", "a lookup has a path, or a text that always stands")
	case l.Path != "" && (!known || len(l.Path) > maxText || strings.Contains(l.Path, "..") || strings.HasSuffix(l.Path, ".")):
		return invalid("PATH", "a path begins with properties., context.campaign., context.page. or context.referrer.").At("path")
	case len(l.Param) > 100 || len(l.Text) > maxText || l.Host && l.Param != "":
		return invalid("LOOKUP", "of an address a lookup takes its host or one parameter, of at most 100 bytes")
	case strings.HasPrefix(l.Path, "context.page.") && !l.Host && l.Param == "" && l.Text == "":
		return invalid("LOOKUP", "of a page only the host or a parameter of an address is taken: whole addresses can name people").At("path")
	}
	return nil
}

func property(path string) bool {
	return strings.HasPrefix(path, "properties.") && len(path) > len("properties.") && len(path) <= maxText
}

func badText(s string) bool { return strings.TrimSpace(s) == "" || len(s) > maxText }

func (r *Rules) touch(key string) *Touch {
	for i := range r.Touches {
		if r.Touches[i].Key == key {
			return &r.Touches[i]
		}
	}
	return nil
}

func (r *Rules) goal(key string) *Goal {
	for i := range r.Conversions {
		if r.Conversions[i].Key == key {
			return &r.Conversions[i]
		}
	}
	return nil
}

func invalid(reason, format string, args ...any) *core.Error {
	return core.Errorf(core.Invalid, reason, format, args...)
}
