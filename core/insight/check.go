package insight

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
)

// The bounds of a workspace's metrics.
const (
	maxMetrics    = 200
	maxDimensions = 4
	maxPaths      = 5
	maxWhere      = 20_000
	maxDepth      = 3 // of metrics that are made of metrics
)

var (
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	keyForm  = regexp.MustCompile(`^[a-z][A-Za-z0-9_]{0,31}$`)
)

// check refuses a metric that cannot be. by are the workspace's metrics by name.
func (m *Metric) check(by map[string]*metric) *core.Error {
	switch {
	case !nameForm.MatchString(m.Name()):
		return core.Errorf(core.Invalid, "METRIC_NAME", "a metric's name is a small letter and up to 63 small letters, digits and _").At("name")
	case strings.TrimSpace(m.Title) == "" || len(m.Title) > 200:
		return core.Errorf(core.Invalid, "TITLE", "give the metric a title of at most 200 bytes").At("title")
	case len(m.Description) > 2000:
		return core.Errorf(core.Invalid, "DESCRIPTION", "a description has at most 2000 bytes").At("description")
	case m.Unit != Count && m.Unit != Ratio && m.Unit != Money && m.Unit != Duration && m.Unit != People:
		return core.Errorf(core.Invalid, "UNIT", "a metric is in COUNT, RATIO, MONEY, DURATION or PEOPLE").At("unit")
	case m.Currency != "" && !isCurrency(m.Currency):
		return core.Errorf(core.Invalid, "CURRENCY", "a currency is three capital letters, such as EUR").At("currency")
	case len(m.Dimensions) > maxDimensions:
		return core.Errorf(core.Invalid, "TOO_MANY_DIMENSIONS", "a metric has at most %d dimensions", maxDimensions).At("dimensions")
	}
	seen := map[string]bool{}
	for i, d := range m.Dimensions {
		at := func(e *core.Error) *core.Error { return e.At("dimensions", strconv.Itoa(i)) }
		switch {
		case !keyForm.MatchString(d.Key):
			return at(core.Errorf(core.Invalid, "DIMENSION_KEY", "a dimension's key is a small letter and up to 31 letters, digits and _").At("key"))
		case seen[d.Key]:
			return at(core.Errorf(core.Invalid, "DIMENSION_KEY", "two dimensions have one key; give each its own").At("key"))
		case len(d.Paths) == 0 || len(d.Paths) > maxPaths:
			return at(core.Errorf(core.Invalid, "DIMENSION_PATH", "a dimension is looked up at 1 to %d paths", maxPaths).At("paths"))
		}
		seen[d.Key] = true
	}
	switch m.Calc {
	case Plain:
	case Retention, Churn:
		if m.Numerator.Value != Distinct || m.Minus != nil || m.Denominator != nil || m.Unit != Ratio {
			return core.Errorf(core.Invalid, "CALC", "retention and churn are a RATIO of the people of a numerator alone: leave out minus and denominator").At("calc")
		}
	default:
		return core.Errorf(core.Invalid, "CALC", "a metric is PLAIN, RETENTION or CHURN").At("calc")
	}
	for _, t := range []struct {
		path string
		of   *Measure
	}{{"numerator", &m.Numerator}, {"minus", m.Minus}, {"denominator", m.Denominator}} {
		if t.of == nil {
			continue
		}
		if err := t.of.check(m, by); err != nil {
			return err.At(t.path)
		}
	}
	if m.Unit == Ratio && m.Calc == Plain && m.Denominator == nil {
		return core.Errorf(core.Invalid, "DENOMINATOR", "a ratio needs a denominator").At("denominator")
	}
	if err := m.currencies(by); err != nil {
		return err
	}
	_, err := compile(m)
	return err
}

func (t *Measure) check(m *Metric, by map[string]*metric) *core.Error {
	wants := map[Value][3]bool{ // event, path, metric
		Events: {true}, Sum: {true, true}, Distinct: {true}, First: {true}, Cost: {}, Other: {false, false, true},
	}
	w, ok := wants[t.Value]
	switch {
	case !ok:
		return core.Errorf(core.Invalid, "MEASURE_VALUE", "a measure is a COUNT, SUM, PEOPLE, FIRST, COST or METRIC").At("value")
	case w[0] != (t.Event != "") || len(t.Event) > 200:
		return core.Errorf(core.Invalid, "EVENT", "a COUNT, SUM, PEOPLE or FIRST names an event, and nothing else does").At("event")
	case w[1] != (t.Path != "") || len(t.Path) > 200:
		return core.Errorf(core.Invalid, "PATH", "a SUM names the path of its numbers, and nothing else does").At("path")
	case t.Currency != "" && t.Value != Sum || len(t.Currency) > 200:
		return core.Errorf(core.Invalid, "CURRENCY_PATH", "only a SUM has the path of a currency").At("currency")
	case w[2] != (t.Metric != ""):
		return core.Errorf(core.Invalid, "METRIC", "a METRIC names another metric, and nothing else does").At("metric")
	case !w[0] && t.Where+t.Context != "":
		return core.Errorf(core.Invalid, "WHERE", "only what counts events has conditions on them").At("where")
	case len(t.Where)+len(t.Context) > maxWhere:
		return core.Errorf(core.Invalid, "CONDITION", "a condition has at most %d bytes", maxWhere).At("where")
	case t.Value == Other && by[t.Metric] == nil:
		return core.Errorf(core.NotFound, "METRIC", "there is no metric with this name").At("metric")
	case t.Value == Other && depth(t.Metric, m.Name(), by) > maxDepth:
		return core.Errorf(core.Invalid, "METRIC_CYCLE", "metrics are made of each other; at most %d may stand on one another, and none on itself", maxDepth).At("metric")
	}
	return nil
}

// depth returns how many metrics stand on each other from the one named on; more than
// there may be when self is among them.
func depth(name, self string, by map[string]*metric) int {
	if name == self {
		return maxDepth + 1
	}
	m, n := by[name], 0
	if m == nil {
		return 1
	}
	for _, t := range []*Measure{&m.Numerator, m.Minus, m.Denominator} {
		if t != nil && t.Value == Other && n <= maxDepth {
			n = max(n, depth(t.Metric, self, by))
		}
	}
	return n + 1
}

// currencies refuses money over things that would not be money, and the other way about.
func (m *Metric) currencies(by map[string]*metric) *core.Error {
	money := func(t *Measure) bool {
		switch {
		case t == nil:
			return false
		case t.Value == Other:
			return by[t.Metric] != nil && by[t.Metric].Unit == Money
		}
		return t.Value == Cost || t.Value == Sum && t.Currency != ""
	}
	if m.Minus != nil && money(m.Minus) != money(&m.Numerator) {
		return core.Errorf(core.Invalid, "MIXED_UNITS", "money is taken off money, and numbers off numbers").At("minus")
	}
	over := m.Denominator != nil && money(m.Denominator)
	switch is := money(&m.Numerator); {
	case over && !is:
		return core.Errorf(core.Invalid, "MIXED_UNITS", "only money is divided by money").At("denominator")
	case m.Unit == Money && (!is || over):
		return core.Errorf(core.Invalid, "MIXED_UNITS", "a metric in MONEY is money, perhaps for each of something that is none: give the numerator a SUM with the path of a currency").At("unit")
	case is && !over && m.Unit != Money && m.Calc == Plain:
		return core.Errorf(core.Invalid, "MIXED_UNITS", "what is made of money is in MONEY, or is a RATIO of money over money").At("unit")
	}
	return nil
}

// may refuses a metric whose conditions the caller may not ask.
func (s *Service) may(ctx context.Context, ws string, m *Metric) error {
	if s.May == nil {
		return nil
	}
	for _, t := range []struct {
		path string
		of   *Measure
	}{{"numerator", &m.Numerator}, {"minus", m.Minus}, {"denominator", m.Denominator}} {
		if t.of == nil || t.of.Event == "" {
			continue
		}
		text := `{"event":{"name":` + quote(t.of.Event)
		if t.of.Where != "" && t.of.Where != "[]" {
			text += `,"where":` + t.of.Where
		}
		n, err := condition.ParseJSON([]byte(text + "}}"))
		if err == nil {
			err = s.May(ctx, ws, n)
		}
		if err != nil {
			return core.AsError(err).At(t.path, "where")
		}
	}
	return nil
}
