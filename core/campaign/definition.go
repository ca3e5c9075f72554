package campaign

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/segment"
)

// Arm is one of the things that are said.
type Arm struct {
	ID              string `bson:"id"`
	Template        string `bson:"template"`     // tpl_…
	TemplateVersion int64  `bson:"tv,omitempty"` // 0: pinned to the newest when it is scheduled
	Share           int64  `bson:"share"`        // percent of those who get one; together 100
}

// Metric is by what arms are compared.
type Metric string

// The metrics: of the messages of an arm that were sent, how many people …
const (
	Opened  Metric = "OPENED"
	Clicked Metric = "CLICKED"
	Goal    Metric = "GOAL" // … meet the campaign's goal
)

// Few is what is done when too few messages were sent to compare the arms.
type Few string

// The ways.
const (
	FewFirst Few = "FIRST" // the first arm goes to the rest
	FewWait  Few = "WAIT"  // somebody decides
)

// Test has arms tried on a part of the people.
type Test struct {
	Percent int64         `bson:"percent"` // of the people, 1 to 99
	Metric  Metric        `bson:"metric"`
	After   time.Duration `bson:"after"`   // from the last of the part being queued to the decision
	Minimum int64         `bson:"minimum"` // messages sent of each arm
	Few     Few           `bson:"few"`
	ByHand  bool          `bson:"byHand,omitempty"` // somebody decides, whatever the counts
}

// Passed is what is done about somebody whose local time has passed already.
type Passed string

// The ways.
const (
	PassedNow     Passed = "NOW"
	PassedNextDay Passed = "NEXT_DAY"
)

// Definition is what is sent, and to whom.
type Definition struct {
	Channel string   `bson:"channel"`
	Purpose string   `bson:"purpose"`
	Include []string `bson:"include"` // seg_…: in one of these
	Exclude []string `bson:"exclude,omitempty"`
	Arms    []Arm    `bson:"arms"`
	Test    *Test    `bson:"test,omitempty"`
	Local   bool     `bson:"local,omitempty"`  // at each person's own time of day
	Passed  Passed   `bson:"passed,omitempty"` // with Local
	// Best has each person written to at their best hour; nil: not.
	Best      *BestTime `bson:"best,omitempty" json:",omitempty"`
	PerMinute int64     `bson:"pace,omitempty"` // messages; 0: as fast as it goes
	Quiet     string    `bson:"quiet,omitempty"`
	Priority  int64     `bson:"priority,omitempty"`
	Goal      string    `bson:"goal,omitempty"` // a condition, canonical JSON: what people are to come to meet
}

// Bounds of a definition.
const (
	maxArms     = 10
	maxSegments = 20 // that include, and that exclude
	maxAfter    = 30 * 24 * time.Hour
	maxPace     = 1_000_000
)

// hash is what an approval is bound to: everything that is sent, and to whom.
func (d *Definition) hash() (string, error) {
	raw, err := json.Marshal(d)
	if err != nil {
		return "", err
	}
	h := sha256.Sum256(raw)
	return hex.EncodeToString(h[:]), nil
}

func invalid(reason, format string, args ...any) *core.Error {
	return core.Errorf(core.Invalid, reason, format, args...)
}

// shape checks what can be checked without looking at anything else, and fills in what is
// usual.
func (d *Definition) shape() error {
	if !slices.Contains([]string{message.Email, message.SMS, message.Push, message.WebChat, message.InApp, message.Webhook}, d.Channel) {
		return invalid("CHANNEL", "there is no such channel").At("channel")
	}
	switch {
	case d.Purpose == "":
		return invalid("PURPOSE", "say for which purpose").At("purpose")
	case len(d.Include) == 0 || len(d.Include) > maxSegments:
		return invalid("SEGMENTS", "name 1 to %d segments to send to", maxSegments).At("include")
	case len(d.Exclude) > maxSegments:
		return invalid("SEGMENTS", "leave out at most %d segments", maxSegments).At("exclude")
	case d.PerMinute < 0 || d.PerMinute > maxPace:
		return invalid("PACE", "a pace is 1 to %d messages a minute, or none", maxPace).At("perMinute")
	case d.Quiet != "" && d.Quiet != message.QuietDefer && d.Quiet != message.QuietSkip && d.Quiet != message.QuietSend:
		return invalid("QUIET_HOURS", "quiet hours are DEFER, SKIP or SEND").At("quietHours")
	case d.Passed != "" && d.Passed != PassedNow && d.Passed != PassedNextDay:
		return invalid("PASSED", "who is late gets it NOW or the NEXT_DAY").At("passed")
	case len(d.Arms) == 0 || len(d.Arms) > maxArms:
		return invalid("ARMS", "a campaign has 1 to %d arms", maxArms).At("arms")
	case d.Test != nil && len(d.Arms) < 2:
		return invalid("ARMS", "a test compares 2 arms or more").At("arms")
	}
	if d.Local && d.Passed == "" {
		d.Passed = PassedNextDay
	}
	if len(d.Arms) == 1 {
		d.Arms[0].Share = 100
	}
	sum, seen := int64(0), map[string]bool{}
	for i, a := range d.Arms {
		at := []string{"arms", strconv.Itoa(i)}
		switch {
		case a.ID == "" || len(a.ID) > 30 || strings.ContainsFunc(a.ID, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
		}):
			return invalid("ARMS", "an arm is named by 1 to 30 letters, digits, - and _").At(append(at, "id")...)
		case seen[a.ID]:
			return invalid("DUPLICATE", "each arm has a name of its own").At(append(at, "id")...)
		case a.Share < 1 || a.Share > 100:
			return invalid("SHARES", "the share of an arm is 1 to 100 percent").At(append(at, "share")...)
		case a.TemplateVersion < 0:
			return invalid("TEMPLATE_VERSION", "versions count from 1").At(append(at, "templateVersion")...)
		}
		seen[a.ID] = true
		sum += a.Share
	}
	if sum != 100 {
		return invalid("SHARES", "the shares of the arms add up to 100 percent, not to %d", sum).At("arms")
	}
	if err := d.Best.shape(d); err != nil {
		return err
	}
	return d.Test.shape(d.Goal)
}

func (t *Test) shape(goal string) error {
	switch {
	case t == nil:
		return nil
	case t.Percent < 1 || t.Percent > 99:
		return invalid("TEST_PERCENT", "a test is made on 1 to 99 percent of the people").At("test", "percent")
	case t.Metric != Opened && t.Metric != Clicked && t.Metric != Goal:
		return invalid("METRIC", "arms are compared by OPENED, CLICKED or GOAL").At("test", "metric")
	case t.Metric == Goal && goal == "":
		return invalid("METRIC", "to compare by the goal, give the campaign one").At("test", "metric")
	case t.After < time.Minute && !t.ByHand || t.After < 0 || t.After > maxAfter:
		return invalid("TEST_AFTER", "a test is decided after 1 minute to 30 days").At("test", "afterMinutes")
	case t.Minimum < 0:
		return invalid("TEST_MINIMUM", "the minimum is no negative number").At("test", "minimum")
	}
	if t.Few == "" {
		t.Few = FewFirst
	}
	if t.Few != FewFirst && t.Few != FewWait {
		return invalid("TEST_FEW", "with too few, FIRST or WAIT").At("test", "few")
	}
	return nil
}

// segments are all that are named.
func (d *Definition) segments() []string { return append(slices.Clone(d.Include), d.Exclude...) }

// arm returns an arm by its name, or nil.
func (d *Definition) arm(id string) *Arm {
	for i := range d.Arms {
		if d.Arms[i].ID == id {
			return &d.Arms[i]
		}
	}
	return nil
}

// check looks whether what a definition names is there and may be used by the actor of ctx.
func (s *Service) check(ctx context.Context, ws string, d *Definition, goal any) error {
	if goal != nil {
		c, err := s.Segments.CheckCondition(ctx, ws, segment.Condition{Where: goal})
		if err != nil {
			return err
		}
		d.Goal = c.JSON
	}
	if err := d.shape(); err != nil {
		return err
	}
	if err := s.Segments.MayUse(ctx, ws, d.segments()); err != nil {
		return err
	}
	r, err := s.Consent.Register(ctx, ws)
	if err != nil {
		return err
	}
	if p := r.Purpose(d.Purpose); p == nil || p.Archived {
		return invalid("PURPOSE", "there is no such purpose").At("purpose")
	}
	return nil
}

// pin has each arm say what its template says now, and refuses what cannot be sent.
func (s *Service) pin(ctx context.Context, ws string, d *Definition) error {
	for i := range d.Arms {
		a := &d.Arms[i]
		if err := s.Messages.Usable(ctx, ws, a.Template, a.TemplateVersion, d.Channel); err != nil {
			return core.AsError(err).At("arms", strconv.Itoa(i))
		}
		t, err := s.Messages.Templates.Published(ctx, ws, a.Template, a.TemplateVersion)
		if err != nil {
			return core.AsError(err).At("arms", strconv.Itoa(i))
		}
		a.TemplateVersion = t.Number()
	}
	return nil
}
