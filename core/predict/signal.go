package predict

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
)

// Signal is something that people do, from which it is predicted whether they become
// customers.
type Signal struct {
	Key   string `bson:"key"`
	Event string `bson:"event"` // its name; one of Headwater's own is meant as such
}

// FitTrait is something that people are, likewise. Of whom the trait is not known it is 0.
type FitTrait struct {
	Key  string `bson:"key"`
	Path string `bson:"path"`         // of the trait
	Is   string `bson:"is,omitempty"` // 1 where the trait is this text, in whatever case, else 0; "": the trait is a number
}

// Outcome says what becoming a customer is.
type Outcome string

// The outcomes.
const (
	// AnyOutcome is StageOutcome where anybody has a stage, and OrderOutcome elsewhere.
	AnyOutcome   Outcome = "AUTO"
	StageOutcome Outcome = "STAGE" // coming to the stage of whoever is converted: see core/lead
	OrderOutcome Outcome = "ORDER" // ordering for the first time
)

// Outcomes lists them.
var Outcomes = []Outcome{AnyOutcome, StageOutcome, OrderOutcome}

// Act is on which days there was a signal.
type Act struct {
	Key  string  `bson:"k"`
	Days []int32 `bson:"d"` // since 1970-01-01, UTC; sorted
}

// Known is what a fit trait was from a day on.
type Known struct {
	Key   string  `bson:"k"`
	Day   int32   `bson:"d"`
	Value float64 `bson:"v"`
}

// Step is the first day at a stage.
type Step struct {
	Stage string `bson:"s"`
	Day   int32  `bson:"d"`
}

// The bounds of a part, and of what settings declare.
const (
	maxActDays = 400
	maxKnown   = 20 // of one trait
	maxSteps   = 50
	maxSignals = 10
	maxFits    = 20
)

// stageChanged is the event of core/lead that tells of a step to a stage.
const stageChanged = "Lead Stage Changed"

// fitCategories are the categories of traits that people may be judged by. Data of special
// categories are none, nor is what nobody has classified.
var fitCategories = []core.Category{core.None, core.Demographic, core.Behaviour, core.Transaction, core.Location, core.Device, core.Inferred}

// WithinDays returns within how many days somebody is to become a customer.
func (s *Settings) WithinDays() int { return cmp.Or(s.OutcomeDays, 30) }

// signalRev names what the fold of signals depends on; "" when nothing is declared.
func (s *Settings) signalRev() string {
	if len(s.Signals) == 0 {
		return ""
	}
	words := []string{"signals"}
	for _, g := range s.Signals {
		words = append(words, g.Key, g.Event)
	}
	for _, f := range s.fits {
		words = append(words, "fit", f.Key, f.Path, f.Is)
	}
	return core.HashID("rev", words...)
}

func (s *Settings) checkSignals() *core.Error {
	bad := func(reason, path string, i int, format string, args ...any) *core.Error {
		return core.Errorf(core.Invalid, reason, format, args...).At(path, strconv.Itoa(i))
	}
	switch {
	case len(s.Signals) > maxSignals:
		return core.Errorf(core.Invalid, "TOO_MANY_SIGNALS", "there are at most %d signals", maxSignals).At("signals")
	case len(s.Fits) > maxFits:
		return core.Errorf(core.Invalid, "TOO_MANY_SIGNALS", "there are at most %d traits", maxFits).At("fits")
	case s.Outcome != "" && s.Outcome != AnyOutcome && s.Outcome != StageOutcome && s.Outcome != OrderOutcome:
		return core.Errorf(core.Invalid, "OUTCOME", "becoming a customer is STAGE or ORDER, or AUTO").At("outcome")
	case s.OutcomeDays != 0 && (s.OutcomeDays < 7 || s.OutcomeDays > 180):
		return core.Errorf(core.Invalid, "HORIZON", "whether somebody becomes a customer is said for the next 7 to 180 days").At("outcomeDays")
	}
	seen := map[string]bool{}
	named := func(key, path string, i int) *core.Error {
		if key == "" || len(key) > 64 || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || seen[key] {
			return bad("SIGNAL_KEY", path, i, "each signal and trait has a key of its own, of at most 64 small letters, digits and _")
		}
		seen[key] = true
		return nil
	}
	for i, g := range s.Signals {
		if err := named(g.Key, "signals", i); err != nil {
			return err
		}
		if strings.TrimSpace(g.Event) == "" || len(g.Event) > maxText {
			return bad("EVENT", "signals", i, "name the event, for example %q", "Page Viewed")
		}
		if g.Event == condition.PredictionComputed || g.Event == stageChanged || g.Event == s.Event {
			return bad("EVENT", "signals", i, "what is told of predictions, of stages and of orders is no signal: it would foretell itself")
		}
	}
	for i, f := range s.Fits {
		if err := named(f.Key, "fits", i); err != nil {
			return err
		}
		if f.Path == "" || len(f.Path) > maxText || len(f.Is) > maxText {
			return bad("PATHS", "fits", i, "a path is a name, or names with dots between, of at most %d bytes", maxText)
		}
	}
	return nil
}

// means reports whether an event is the signal.
func (g *Signal) means(e *event.Event) bool {
	return e.Name == g.Event && (e.Type == event.System || !condition.IsSystemEvent(g.Event))
}

// heeds reports whether an event may say something about whether somebody becomes a
// customer. Without signals none does.
func (s *Settings) heeds(e *event.Event) bool {
	if len(s.Signals) == 0 {
		return false
	}
	if e.Type == event.System && e.Name == stageChanged || saysTraits(e) && len(s.fits) > 0 {
		return true
	}
	for i := range s.Signals {
		if s.Signals[i].means(e) {
			return true
		}
	}
	return false
}

// saysTraits reports whether an event's traits are the person's.
func saysTraits(e *event.Event) bool {
	return len(e.Traits) > 0 && (e.Type == event.Identify || e.Type == event.System)
}

// dayOfEvent returns the day of an event; a client's clock makes none of the future.
func dayOfEvent(e *event.Event) int32 {
	if e.Timestamp.After(e.CommittedAt) {
		return dayOf(e.CommittedAt)
	}
	return dayOf(e.Timestamp)
}

// learn folds an event that settings heed, and reports whether it says something new.
func (o *Outlook) learn(set *Settings, e *event.Event) (news bool) {
	if !set.heeds(e) {
		return false
	}
	day := dayOfEvent(e)
	p := o.part(e.Part)
	if e.Type == event.System && e.Name == stageChanged {
		to, _ := e.Properties.Lookup("to").StringValueOK()
		return p.reach(to, day)
	}
	for i := range set.Signals {
		if set.Signals[i].means(e) {
			news = p.act(set.Signals[i].Key, day) || news
		}
	}
	if saysTraits(e) {
		for _, f := range set.fits {
			if v, ok := lookup(e.Traits, f.Path); ok {
				news = p.know(Known{f.Key, day, f.value(v)}) || news
			}
		}
	}
	return news
}

// value is what a trait counts as.
func (f *FitTrait) value(v bson.RawValue) float64 {
	if f.Is != "" {
		text, ok := v.StringValueOK()
		if b, isBool := v.BooleanOK(); isBool {
			text, ok = strconv.FormatBool(b), true
		} else if n, isNumber := number(v); !ok && isNumber {
			text, ok = strconv.FormatFloat(n, 'f', -1, 64), true
		}
		if ok && strings.EqualFold(strings.TrimSpace(text), f.Is) {
			return 1
		}
		return 0
	}
	if b, ok := v.BooleanOK(); ok {
		if b {
			return 1
		}
		return 0
	}
	n, ok := number(v)
	if !ok || math.Abs(n) > maxWorth {
		return 0
	}
	return n
}

// act notes a day with a signal.
func (p *Part) act(key string, day int32) bool {
	i, ok := slices.BinarySearchFunc(p.Acts, key, func(a Act, key string) int { return strings.Compare(a.Key, key) })
	if !ok {
		p.Acts = slices.Insert(p.Acts, i, Act{Key: key})
	}
	a := &p.Acts[i]
	k, have := slices.BinarySearch(a.Days, day)
	if have || k == 0 && len(a.Days) >= maxActDays {
		return false
	}
	a.Days = slices.Insert(a.Days, k, day)
	if len(a.Days) > maxActDays {
		a.Days = a.Days[1:]
	}
	return true
}

// know notes what a trait is from a day on; what is said last of a day holds.
func (p *Part) know(n Known) bool {
	i, ok := slices.BinarySearchFunc(p.Known, n, byKeyAndDay)
	switch {
	case ok && p.Known[i].Value == n.Value:
		return false
	case ok:
		p.Known[i].Value = n.Value
		return true
	case i > 0 && p.Known[i-1].Key == n.Key && p.Known[i-1].Value == n.Value:
		return false // it was that before
	}
	p.Known = slices.Insert(p.Known, i, n)
	from, _ := slices.BinarySearchFunc(p.Known, Known{Key: n.Key, Day: math.MinInt32}, byKeyAndDay)
	to, _ := slices.BinarySearchFunc(p.Known, Known{Key: n.Key, Day: math.MaxInt32}, byKeyAndDay)
	if to-from > maxKnown {
		p.Known = slices.Delete(p.Known, from, from+1)
	}
	return true
}

func byKeyAndDay(a, b Known) int {
	return cmp.Or(strings.Compare(a.Key, b.Key), cmp.Compare(a.Day, b.Day))
}

// reach notes the first day at a stage.
func (p *Part) reach(stage string, day int32) bool {
	i, ok := slices.BinarySearchFunc(p.Steps, stage, func(s Step, key string) int { return strings.Compare(s.Stage, key) })
	switch {
	case stage == "" || !ok && len(p.Steps) >= maxSteps:
		return false
	case !ok:
		p.Steps = slices.Insert(p.Steps, i, Step{stage, day})
		return true
	case day < p.Steps[i].Day:
		p.Steps[i].Day = day
		return true
	}
	return false
}

// knows reports whether the part says anything of what people do and are.
func (p Part) knows() bool { return len(p.Acts)+len(p.Known)+len(p.Steps) > 0 }

// allowedFits returns those traits that people may be judged by, by their categories.
func allowedFits(list []FitTrait, categories map[string]core.Category) []FitTrait {
	var out []FitTrait
	for _, f := range list {
		if slices.Contains(fitCategories, categories[f.Path]) {
			out = append(out, f)
		}
	}
	return out
}

// checkFits refuses traits that nobody may be judged by.
func (s *Settings) checkFits() error {
	for i, f := range s.Fits {
		if !slices.Contains(s.fits, f) {
			return core.Errorf(core.Invalid, "FIT_CATEGORY", "people are not judged by a trait of this category, or of none; classify it first, as one of %s", words(fitCategories)).At("fits", strconv.Itoa(i), "path")
		}
	}
	return nil
}

func words(list []core.Category) string {
	var out []string
	for _, c := range list {
		out = append(out, string(c))
	}
	return strings.Join(out, ", ")
}
