package experiment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
)

// The bounds of plans.
const (
	maxArms   = 10
	maxText   = 200
	maxWindow = 366 * 24 * time.Hour
)

var armForm = regexp.MustCompile(`^[^\x00-\x1f/]{1,100}$`)

// Check refuses a plan that cannot be, and returns how many people it needs.
func (p *Plan) Check() (Size, error) {
	if e := p.checkShape(); e != nil {
		return Size{}, e
	}
	if e := p.Assignment.check(); e != nil {
		return Size{}, e.At("assignment")
	}
	if p.Kind == OfValue {
		return SampleSizeOfMeans(p.Deviation, p.Effect, p.Alpha, p.Power, len(p.Arms)-1)
	}
	return SampleSize(p.Baseline, p.Baseline+p.Effect, p.Alpha, p.Power, len(p.Arms)-1)
}

func (p *Plan) checkShape() *core.Error {
	switch {
	case p.Kind != OfConversion && p.Kind != OfValue:
		return invalid("KIND", "what is compared is CONVERSION or VALUE").At("kind")
	case p.Mode != Fixed && p.Mode != Sequential && p.Mode != Bandit:
		return invalid("MODE", "the mode is FIXED, SEQUENTIAL or BANDIT").At("mode")
	case p.Mode == Bandit && p.Kind != OfConversion:
		return invalid("MODE", "a bandit compares conversions").At("mode")
	case badText(p.Event):
		return invalid("EVENT", "name the event that is the conversion").At("event")
	case p.Kind == OfValue && !property(p.ValuePath):
		return invalid("PATH", "a value stands in the properties: properties.total").At("valuePath")
	case p.Kind == OfConversion && p.ValuePath != "":
		return invalid("PATH", "only a plan of VALUE reads a value").At("valuePath")
	case p.Window < time.Minute || p.Window > maxWindow:
		return invalid("WINDOW", "a conversion counts within a minute to 366 days after the exposure").At("window")
	case len(p.Arms) < 2 || len(p.Arms) > maxArms:
		return invalid("ARMS", "an experiment compares 2 to %d arms; the first is the control", maxArms).At("arms")
	}
	for _, x := range []float64{p.Baseline, p.Deviation, p.Effect} {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return invalid("EFFECT", "give numbers").At("effect")
		}
	}
	total := 0
	for i, a := range p.Arms {
		switch {
		case !armForm.MatchString(a.Name) || slices.ContainsFunc(p.Arms[:i], func(b Arm) bool { return b.Name == a.Name }):
			return invalid("ARMS", "an arm has a name of its own, of 1 to 100 characters").At("arms", strconv.Itoa(i), "name")
		case a.Weight < 1 || a.Weight > 10000:
			return invalid("WEIGHT", "the weight of an arm is 1 to 10000").At("arms", strconv.Itoa(i), "weight")
		}
		total += a.Weight
	}
	if total > condition.Buckets {
		return invalid("WEIGHT", "the weights add up to at most %d", condition.Buckets).At("arms")
	}
	return nil
}

func (a *Assignment) check() *core.Error {
	alone := func(others ...string) bool { return strings.Join(others, "") == "" }
	switch a.Via {
	case ViaEvent:
		switch {
		case badText(a.Event):
			return invalid("EVENT", "name the event that says who is in which arm").At("event")
		case !property(a.ArmPath):
			return invalid("PATH", "the arm stands in the properties: properties.variation").At("armPath")
		case (a.KeyPath == "") != (a.Key == "") || a.KeyPath != "" && !property(a.KeyPath) || len(a.Key) > maxText:
			return invalid("PATH", "where events are of several experiments, give the property that names the experiment, and its value").At("keyPath")
		case !alone(a.Salt, a.Campaign, a.Journey, a.Node):
			return invalid("ASSIGNMENT", "an assignment by events has no salt, campaign or journey").At("via")
		}
	case ViaBucket:
		switch {
		case badText(a.Event):
			return invalid("EVENT", "name the event from which on people are in the experiment").At("event")
		case badText(a.Salt):
			return invalid("SALT", "give the salt by which people are spread, of at most %d bytes", maxText).At("salt")
		case !alone(a.ArmPath, a.KeyPath, a.Key, a.Campaign, a.Journey, a.Node):
			return invalid("ASSIGNMENT", "an assignment by buckets has an event and a salt only").At("via")
		}
	case ViaCampaign:
		if core.IDPrefix(a.Campaign) != core.PrefixCampaign || !alone(a.Event, a.ArmPath, a.KeyPath, a.Key, a.Salt, a.Journey, a.Node) {
			return invalid("ASSIGNMENT", "an assignment by a campaign has its id only, cmp_…").At("campaign")
		}
	case ViaJourney:
		if core.IDPrefix(a.Journey) != core.PrefixJourney || badText(a.Node) || !alone(a.Event, a.ArmPath, a.KeyPath, a.Key, a.Salt, a.Campaign) {
			return invalid("ASSIGNMENT", "an assignment by a journey has its id, jrn_…, and the node of the split or holdout only").At("journey")
		}
	default:
		return invalid("ASSIGNMENT", "people come to arms by EVENT, BUCKET, CAMPAIGN or JOURNEY").At("via")
	}
	return nil
}

func property(path string) bool {
	return strings.HasPrefix(path, "properties.") && len(path) > len("properties.") && len(path) <= maxText
}

func badText(s string) bool { return strings.TrimSpace(s) == "" || len(s) > maxText }

// Hash returns what the plan is known by once it is frozen: the SHA-256 of its JSON, in
// hexadecimal digits.
func (p *Plan) Hash() string {
	raw, _ := json.Marshal(p) // numbers were checked to be finite: cannot fail
	h := sha256.Sum256(raw)
	return hex.EncodeToString(h[:])
}

// ArmOf returns the arm that a profile's id falls to by a salt: as a journey's split draws
// it. The first of the arms get the lowest buckets.
func ArmOf(arms []Arm, salt, profileID string) string {
	total := 0
	for _, a := range arms {
		total += a.Weight
	}
	bucket := condition.BucketOf(profileID, salt) * total / condition.Buckets
	for _, a := range arms {
		if bucket -= a.Weight; bucket < 0 {
			return a.Name
		}
	}
	return arms[len(arms)-1].Name
}
