package predict

import (
	"math"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/predict/logistic"
)

// recentDays are those in which a signal counts as fresh, and reachDays those in which it
// counts at all; whoever did nothing for so long is not predicted for.
const (
	recentDays = 7
	reachDays  = 90
)

// ConversionParams are what a conversion is predicted by.
type ConversionParams struct {
	Outcome Outcome        `bson:"outcome"`         // STAGE or ORDER
	Stage   string         `bson:"stage,omitempty"` // of whoever is converted
	Days    int            `bson:"days"`
	Rev     string         `bson:"rev"`  // of the signals and traits that it was trained on
	Keys    []string       `bson:"keys"` // of the numbers
	Fit     logistic.Model `bson:"fit"`
	Mean    []float64      `bson:"mean"` // of each number in training
	// Calibration takes the log odds of Fit to a chance.
	Calibration logistic.Isotonic `bson:"calibration"`
	Edges       [][]float64       `bson:"edges"` // of the bins that drift is worked out from
}

// featureKeys names the numbers that somebody is told apart by.
func (s *Settings) featureKeys() []string {
	var out []string
	for _, g := range s.Signals {
		out = append(out, g.Key+"_last_7_days", g.Key+"_8_to_90_days")
	}
	out = append(out, "days_since_last_signal", "weeks_known")
	for _, f := range s.fits {
		out = append(out, f.Key)
	}
	return out
}

// path is what somebody did, of all their parts together, so far as settings heed it.
type path struct {
	set   *Settings
	acts  [][]int32 // of each signal: sorted days, each once
	known [][]Known // of each trait: by day
	first int32     // on which anything is known of them
	turns int32     // on which they became a customer; the furthest day: not yet
}

// pathOf returns what somebody did; ok is false when nothing is known that settings heed.
func (s *Settings) pathOf(o *Outlook, outcome Outcome, stage string) (p path, ok bool) {
	p = path{set: s, acts: make([][]int32, len(s.Signals)), known: make([][]Known, len(s.fits)), first: math.MaxInt32, turns: math.MaxInt32}
	saw := func(day int32) { p.first = min(p.first, day) }
	for i := range o.Parts {
		part := &o.Parts[i]
		for _, a := range part.Acts {
			if k := slices.IndexFunc(s.Signals, func(g Signal) bool { return g.Key == a.Key }); k >= 0 && len(a.Days) > 0 {
				p.acts[k] = append(p.acts[k], a.Days...)
				saw(a.Days[0])
			}
		}
		for _, n := range part.Known {
			if k := slices.IndexFunc(s.fits, func(f FitTrait) bool { return f.Key == n.Key }); k >= 0 {
				p.known[k] = append(p.known[k], n)
			}
			saw(n.Day)
		}
		for _, step := range part.Steps {
			if saw(step.Day); outcome == StageOutcome && step.Stage == stage {
				p.turns = min(p.turns, step.Day)
			}
		}
		if outcome == OrderOutcome && len(part.Days) > 0 {
			p.turns = min(p.turns, part.Days[0].Day)
		}
	}
	for k := range p.acts {
		slices.Sort(p.acts[k])
		p.acts[k] = slices.Compact(p.acts[k])
		ok = ok || len(p.acts[k]) > 0
	}
	for k := range p.known {
		slices.SortStableFunc(p.known[k], byKeyAndDay)
	}
	return p, ok
}

// within returns on how many of some days between two, the first of them not counting,
// the second counting.
func within(days []int32, after, until int32) float64 {
	from, _ := slices.BinarySearch(days, after+1)
	to, _ := slices.BinarySearch(days, until+1)
	return float64(to - from)
}

// at returns the numbers that were known of somebody at the end of a day: what happened
// later changes nothing in them. ok is false for whoever was a customer by then, or had
// given no signal for reachDays.
func (p *path) at(day int32) (row []float64, ok bool) {
	if p.turns <= day || p.first > day {
		return nil, false
	}
	last := int32(math.MinInt32)
	row = make([]float64, 0, 2*len(p.acts)+2+len(p.known))
	for _, days := range p.acts {
		row = append(row, within(days, day-recentDays, day), within(days, day-reachDays, day-recentDays))
		if i, _ := slices.BinarySearch(days, day+1); i > 0 {
			last = max(last, days[i-1])
		}
	}
	if last == math.MinInt32 || day-last >= reachDays {
		return nil, false
	}
	row = append(row, float64(day-last), min(float64(day-p.first)/week, 52))
	for _, list := range p.known {
		value := 0.0
		for _, n := range list {
			if n.Day <= day {
				value = n.Value
			}
		}
		row = append(row, value)
	}
	return row, true
}

// turnsIn reports whether somebody became a customer in the days after one.
func (p *path) turnsIn(day int32, days int) bool { return p.turns > day && p.turns <= day+int32(days) }

// chance returns the chance that a row is given, and its log odds before calibration.
func (c *ConversionParams) chance(row []float64) (chance, odds float64) {
	odds = c.Fit.LogOdds(row)
	return c.Calibration.Of(odds), odds
}

// reasons returns how a chance comes about, on the scale of log odds: the baseline is what
// somebody with the mean of every number has, each number adds its coefficient times how
// far it is from that mean, and the calibration adds the rest.
func (c *ConversionParams) reasons(row []float64) Reasons {
	chance, odds := c.chance(row)
	out := Reasons{Scale: "LOG_ODDS", Baseline: c.Fit.LogOdds(c.Mean)}
	for i, key := range c.Keys {
		out.Contributions = append(out.Contributions, Contribution{Key: key, Is: row[i], By: c.Fit.Coef[i] * (row[i] - c.Mean[i])})
	}
	out.Contributions = append(out.Contributions, Contribution{Key: "calibration", Is: odds, By: math.Log(chance/(1-chance)) - odds})
	return out
}

// goesBy reports whether a model goes by what the settings declare now.
func (c *ConversionParams) goesBy(set *Settings) bool {
	return c != nil && c.Rev == set.signalRev() && len(c.Keys) == len(set.featureKeys())
}

// row returns what is known of somebody now, or why nothing is predicted of them.
func (c *ConversionParams) row(set *Settings, o *Outlook, today int32) (row []float64, lacks string) {
	if !c.goesBy(set) {
		return nil, "signals or traits were changed since the model was trained; train it anew"
	}
	p, ok := set.pathOf(o, c.Outcome, c.Stage)
	if !ok {
		return nil, "this person has given none of the signals"
	}
	if p.turns <= today {
		return nil, "this person is a customer already"
	}
	if row, ok = p.at(today); !ok {
		return nil, "this person has given no signal for 90 days"
	}
	return row, ""
}

// bins is how many bins drift is worked out from.
const bins = 10

// edges returns the lower edges of at most bins bins of about as many values each.
func edges(values []float64) []float64 {
	slices.Sort(values)
	var out []float64
	for b := 1; b < bins; b++ {
		if v := values[b*len(values)/bins]; v > values[0] && (len(out) == 0 || v > out[len(out)-1]) {
			out = append(out, v)
		}
	}
	if len(out) == 0 && values[len(values)-1] > values[0] { // rare, and something
		out = append(out, values[len(values)-1])
	}
	return out
}

// tally counts rows in the bins of a model.
type tally struct {
	edges  [][]float64
	counts [][]float64
}

func (c *ConversionParams) tally() *tally {
	t := &tally{edges: c.Edges}
	for _, e := range c.Edges {
		t.counts = append(t.counts, make([]float64, len(e)+1))
	}
	return t
}

func (t *tally) add(row []float64) {
	for i, v := range row {
		bin, at := slices.BinarySearch(t.edges[i], v)
		if at {
			bin++
		}
		t.counts[i][bin]++
	}
}

// outcome describes the outcome in words.
func (c *ConversionParams) outcome() string {
	if c.Outcome == StageOutcome {
		return strings.TrimSpace("came to the stage " + c.Stage)
	}
	return "ordered"
}
