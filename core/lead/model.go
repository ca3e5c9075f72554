package lead

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// RuleKind says what a rule looks at.
type RuleKind string

// The kinds.
const (
	Fit        RuleKind = "FIT"        // who somebody is: a condition on traits and records
	Engagement RuleKind = "ENGAGEMENT" // what somebody does: an event
)

// Decay says how the points of an event fade.
type Decay string

// The decays. Days begin at midnight, UTC.
const (
	NoDecay  Decay = "NONE"
	HalfLife Decay = "HALF_LIFE" // half of it is left after DecayDays, a quarter after twice that
	Linear   Decay = "LINEAR"    // each day takes the same share; after DecayDays nothing is left
)

// Rule gives points, or takes them where they are negative.
type Rule struct {
	Key    string   `bson:"key"`
	Name   string   `bson:"name"`
	Kind   RuleKind `bson:"kind"`
	Points int64    `bson:"points"` // -1000 to 1000, not 0
	// Where is JSON: of FIT a condition on traits and records; of ENGAGEMENT the list of
	// predicates that an event's properties meet, "" for none.
	Where     string `bson:"where,omitempty"`
	Event     string `bson:"event,omitempty"` // of ENGAGEMENT
	Decay     Decay  `bson:"decay,omitempty"`
	DecayDays int    `bson:"decayDays,omitempty"` // 1 to 730
	Cap       int64  `bson:"cap,omitempty"`       // the rule contributes no more than this, in either direction; 0: no bound
}

// Model is how a workspace scores people. The zero Model scores nobody.
type Model struct {
	store.Meta    `bson:",inline"` // key: workspace/model; its version is the model's
	Rules         []Rule           `bson:"rules,omitempty"`
	Threshold     int64            `bson:"threshold"`               // somebody qualifies from this score on
	MinFit        int64            `bson:"minFit,omitempty"`        // and only with so much fit; 0: whatever it is
	MinEngagement int64            `bson:"minEngagement,omitempty"` // likewise
	// CoolBelow is the score below which somebody who has qualified cools; at most
	// Threshold.
	CoolBelow int64 `bson:"coolBelow"`
	// Stage is where whoever qualifies is moved, if that step is allowed; "" for nowhere.
	Stage          string    `bson:"stage,omitempty"`
	PublishMinutes int       `bson:"publishMinutes,omitempty"` // between two publications of one score; 0 is 5
	At             time.Time `bson:"at"`
}

// Version returns the model's version, 0 while none was set.
func (m *Model) Version() int64 { return m.V }

// The bounds of a model.
const (
	maxRules = 100
	maxWhere = 20_000
)

var keyForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

func (m *Model) check() *core.Error {
	switch {
	case len(m.Rules) > maxRules:
		return core.Errorf(core.Invalid, "TOO_MANY_RULES", "a model has at most %d rules", maxRules).At("rules")
	case len(m.Rules) > 0 && m.Threshold < 1:
		return core.Errorf(core.Invalid, "THRESHOLD", "the score from which somebody qualifies is 1 or more").At("threshold")
	case m.CoolBelow > m.Threshold:
		return core.Errorf(core.Invalid, "COOL_BELOW", "somebody cools below a score that is at most the threshold").At("coolBelow")
	case m.PublishMinutes < 0 || m.PublishMinutes > 1440:
		return core.Errorf(core.Invalid, "PUBLISH_MINUTES", "a score is published after 1 to 1440 minutes, or 0 for 5").At("publishMinutes")
	}
	seen := map[string]bool{}
	for i := range m.Rules {
		r := &m.Rules[i]
		if err := r.check(); err != nil {
			return err.At("rules", strconv.Itoa(i))
		}
		if seen[r.Key] {
			return core.Errorf(core.Invalid, "RULE_KEY", "two rules have one key; give each its own").At("rules", strconv.Itoa(i), "key")
		}
		seen[r.Key] = true
	}
	return nil
}

func (r *Rule) check() *core.Error {
	if r.Decay == "" {
		r.Decay = NoDecay
	}
	switch {
	case !keyForm.MatchString(r.Key):
		return core.Errorf(core.Invalid, "RULE_KEY", "a rule's key is a letter and up to 63 letters, digits, _ and -").At("key")
	case strings.TrimSpace(r.Name) == "" || len(r.Name) > 200:
		return core.Errorf(core.Invalid, "NAME", "give the rule a name of at most 200 bytes").At("name")
	case r.Points == 0 || r.Points < -1000 || r.Points > 1000:
		return core.Errorf(core.Invalid, "POINTS", "a rule gives 1 to 1000 points, or takes as many: -1 to -1000").At("points")
	case r.Cap < 0 || r.Cap > 1_000_000:
		return core.Errorf(core.Invalid, "CAP", "the bound of a rule is a number of points from 1 on, or 0 for none").At("cap")
	case len(r.Where) > maxWhere:
		return core.Errorf(core.Invalid, "CONDITION", "a condition has at most %d bytes", maxWhere).At("where")
	}
	switch r.Kind {
	case Fit:
		if r.Event != "" || r.Decay != NoDecay || r.DecayDays != 0 {
			return core.Errorf(core.Invalid, "FIT_RULE", "a rule about fit has a condition; only one about engagement has an event and decays").At("kind")
		}
		if r.Where == "" {
			return core.Errorf(core.Invalid, "CONDITION_MISSING", "a rule about fit needs a condition on traits or records").At("where")
		}
	case Engagement:
		switch {
		case r.Event == "" || len(r.Event) > 200:
			return core.Errorf(core.Invalid, "EVENT", "a rule about engagement names an event").At("event")
		case r.Decay != NoDecay && r.Decay != HalfLife && r.Decay != Linear:
			return core.Errorf(core.Invalid, "DECAY", "points decay NONE, HALF_LIFE or LINEAR").At("decay")
		case (r.Decay == NoDecay) != (r.DecayDays == 0) || r.DecayDays < 0 || r.DecayDays > 730:
			return core.Errorf(core.Invalid, "DECAY_DAYS", "points decay over 1 to 730 days; without decay there is no number of days").At("decayDays")
		}
	default:
		return core.Errorf(core.Invalid, "RULE_KIND", "a rule is of the kind FIT or ENGAGEMENT").At("kind")
	}
	return nil
}
