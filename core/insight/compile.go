package insight

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
)

// set is the metrics of a workspace, compiled, as of one moment.
type set struct {
	at      time.Time // by the process's own clock
	rev     int64
	guards  []*guard // one for each guard; what is not stored has version 0
	metrics map[string]*metric
	events  map[eventName][]*measure
	all     map[string]*measure // by id
	// currency is that of metrics that name none; "": that of the events.
	currency string
}

// eventName is the name of a client's event, or of one of Headwater's own.
type eventName struct {
	name   string
	system bool
}

// ownEvents are Headwater's own events that conditions do not ask for.
var ownEvents = []string{"Consent Recorded", "Privacy Request Updated", "Form Submitted", "Traits Updated"}

func nameOf(name string) eventName {
	return eventName{name, condition.IsSystemEvent(name) || slices.Contains(ownEvents, name)}
}

// metric is a compiled Metric.
type metric struct {
	*Metric
	zone                        *time.Location
	numerator, minus, denominat *measure // nil: there is none, or it reads no rollups
}

// terms returns the measures that have rollups.
func (m *metric) terms() []*measure {
	var out []*measure
	for _, t := range []*measure{m.numerator, m.minus, m.denominat} {
		if t != nil {
			out = append(out, t)
		}
	}
	return out
}

// measure is a compiled Measure together with the dimensions and the time zone of its
// metric.
type measure struct {
	Measure
	id      string
	name    eventName
	zone    *time.Location
	dims    []dimension
	takes   *condition.LedgerFold
	context *condition.LedgerFold // nil: whatever the context
	money   []string              // keys of the currency's path; nil: no money
}

type dimension struct {
	Dimension
	paths []dimensionPath
}

type dimensionPath struct {
	root byte // 's'ource, 'p'roperties, 'c'ontext
	keys []string
}

// compileSet compiles metrics that were checked.
func compileSet(list []*Metric) (*set, *core.Error) {
	c := &set{metrics: map[string]*metric{}, events: map[eventName][]*measure{}, all: map[string]*measure{}}
	for _, m := range list {
		compiled, err := compile(m)
		if err != nil {
			return nil, err
		}
		c.metrics[m.Name()] = compiled
		if m.Archived {
			continue
		}
		for _, t := range compiled.terms() {
			if c.all[t.id] == nil {
				c.all[t.id] = t
				c.events[t.name] = append(c.events[t.name], t)
			}
		}
	}
	return c, nil
}

// compile prepares one metric. The error has the path of the culprit.
func compile(m *Metric) (*metric, *core.Error) {
	out := &metric{Metric: m}
	var err error
	if out.zone, err = time.LoadLocation(m.TimeZone); err != nil || m.TimeZone == "" || m.TimeZone == "Local" {
		return nil, core.Errorf(core.Invalid, "TIME_ZONE", "a time zone is a name of the IANA database, such as Europe/Bucharest, or UTC").At("timeZone")
	}
	dims, fault := compileDimensions(m.Dimensions)
	if fault != nil {
		return nil, fault
	}
	for _, t := range []struct {
		path string
		in   *Measure
		to   **measure
	}{{"numerator", &m.Numerator, &out.numerator}, {"minus", m.Minus, &out.minus}, {"denominator", m.Denominator, &out.denominat}} {
		if t.in == nil || t.in.Value == Cost || t.in.Value == Other {
			continue
		}
		if *t.to, fault = compileMeasure(t.in, dims, out.zone); fault != nil {
			return nil, fault.At(t.path)
		}
	}
	return out, nil
}

func compileDimensions(list []Dimension) ([]dimension, *core.Error) {
	out := make([]dimension, len(list))
	for i, d := range list {
		out[i].Dimension = d
		for _, path := range d.Paths {
			p, ok := dimensionPathOf(path)
			if !ok {
				return nil, core.Errorf(core.Invalid, "DIMENSION_PATH", `a dimension is looked up at "source", or at a path that begins with "properties." or "context."`).At("dimensions", fmt.Sprint(i), "paths")
			}
			out[i].paths = append(out[i].paths, p)
		}
	}
	return out, nil
}

func dimensionPathOf(path string) (dimensionPath, bool) {
	if path == "source" {
		return dimensionPath{root: 's'}, true
	}
	root, rest, ok := strings.Cut(path, ".")
	if !ok || rest == "" || root != "properties" && root != "context" {
		return dimensionPath{}, false
	}
	return dimensionPath{root[0], condition.SplitPath(rest)}, true
}

func compileMeasure(in *Measure, dims []dimension, zone *time.Location) (*measure, *core.Error) {
	t := &measure{Measure: *in, name: nameOf(in.Event), zone: zone, dims: dims}
	kind := condition.Times
	if in.Value == Sum {
		kind = condition.Numbers
	}
	var fault *core.Error
	if t.takes, fault = compileWhere(in.Event, in.Where, kind, in.Path); fault != nil {
		return nil, fault
	}
	if in.Context != "" {
		if t.context, fault = compileWhere(in.Event, in.Context, condition.Times, ""); fault != nil {
			if len(fault.Path) > 0 && fault.Path[0] == "where" {
				fault.Path[0] = "context"
			}
			return nil, fault
		}
	}
	if in.Currency != "" {
		t.money = condition.SplitPath(in.Currency)
	}
	// What decides its rollups. The currency that a metric shows, and its title, do not.
	said := []string{in.Event, in.Where, in.Context, string(in.Value), in.Path, in.Currency, zone.String()}
	for _, d := range dims {
		said = append(said, d.Key, strings.Join(d.Paths, "\x00"))
	}
	t.id = core.HashID("msr", said...)[4:20]
	return t, nil
}

// compileWhere prepares predicates on a document.
func compileWhere(name, where string, kind condition.LedgerKind, path string) (*condition.LedgerFold, *core.Error) {
	quoted, _ := json.Marshal(name) // a text: cannot fail
	text := fmt.Sprintf(`{"event":{"name":%s}}`, quoted)
	if where != "" && where != "[]" {
		text = fmt.Sprintf(`{"event":{"name":%s,"where":%s}}`, quoted, where)
	}
	n, err := condition.ParseJSON([]byte(text))
	if err != nil {
		e := *core.AsError(err)
		e.Path = slices.DeleteFunc(slices.Clone(e.Path), func(p string) bool { return p == "event" })
		if len(e.Path) > 0 && e.Path[0] == "name" {
			e.Path[0] = "event"
		}
		return nil, &e
	}
	specs := condition.Ledgers(n)
	if len(specs) != 1 {
		return nil, core.Errorf(core.Invalid, "EVENT", "a measure counts one event").At("event")
	}
	spec := *specs[0]
	spec.Kind, spec.Path, spec.IDs = kind, path, false
	fold, err := condition.CompileLedger(&spec)
	if err != nil {
		return nil, core.AsError(err).At("where")
	}
	return fold, nil
}

// taken is what an event brings to a measure.
type taken struct {
	hour     int64
	day      int64
	currency string
	sum      *amount
	values   []string // of the dimensions
}

// take returns what an event brings; false for nothing.
func (t *measure) take(e *event.Event) (taken, bool) {
	var out taken
	entry, ok := t.takes.Take(condition.LedgerEvent{At: e.Timestamp, Properties: e.Properties})
	if !ok {
		return out, false
	}
	if t.context != nil {
		if _, ok := t.context.Take(condition.LedgerEvent{At: e.Timestamp, Properties: e.Context}); !ok {
			return out, false
		}
	}
	out.hour, out.day = hourOf(e.Timestamp), dayOf(e.Timestamp, t.zone)
	if t.Value == Sum {
		out.currency = noCurrency
		if t.money != nil {
			if code, ok := lookup(e.Properties, t.money); ok {
				out.currency = currencyOf(code)
			}
		}
		var sum amount
		for _, d := range entry.Num {
			a, ok := amountOf(d)
			if !ok {
				return out, false
			}
			sum = sum.plus(a)
		}
		out.sum = &sum
	}
	out.values = make([]string, len(t.dims))
	for i := range t.dims {
		out.values[i] = t.dims[i].of(e)
	}
	return out, true
}

// of returns the value of a dimension; "" for none.
func (d *dimension) of(e *event.Event) string {
	for _, p := range d.paths {
		if p.root == 's' {
			return e.Source
		}
		doc := e.Properties
		if p.root == 'c' {
			doc = e.Context
		}
		if v, ok := lookup(doc, p.keys); ok {
			if text := label(v); text != "" {
				return text
			}
		}
	}
	return ""
}

func lookup(doc bson.Raw, keys []string) (bson.RawValue, bool) {
	if len(doc) == 0 {
		return bson.RawValue{}, false
	}
	return event.Lookup(doc, keys...)
}

// maxLabel is how many bytes of a dimension's value are kept.
const maxLabel = 64

// Withheld stands for a value that may name a person: an address, a telephone number.
const Withheld = "(withheld)"

// label returns what is kept of a dimension's value.
func label(v bson.RawValue) string {
	var text string
	switch v.Type {
	case bson.TypeString:
		text, _ = v.StringValueOK()
		return labelText(text)
	case bson.TypeBoolean, bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		raw, err := event.ValueToJSON(v)
		if err != nil {
			return ""
		}
		text = string(raw)
	default:
		return ""
	}
	return cut(text)
}

// labelText returns what is kept of a text.
func labelText(text string) string {
	if event.Personal(text) && !ours(text) {
		return Withheld
	}
	return cut(text)
}

func cut(text string) string {
	if len(text) > maxLabel {
		text = text[:maxLabel]
	}
	return strings.ToValidUTF8(strings.TrimSpace(text), "")
}

// ours reports whether a text is an id of something that members of the workspace made,
// whose digits are no telephone number.
func ours(text string) bool {
	prefix := core.IDPrefix(text)
	return len(text) == len(prefix)+27 && slices.Contains([]string{
		core.PrefixCampaign, core.PrefixJourney, core.PrefixTemplate, core.PrefixSource, core.PrefixSegment, core.PrefixForm,
	}, prefix)
}

// currencyOf returns a currency's code in capitals; what is none stands for none.
func currencyOf(v bson.RawValue) string {
	text, _ := v.StringValueOK()
	if text = strings.ToUpper(text); !isCurrency(text) {
		return noCurrency
	}
	return text
}

func isCurrency(text string) bool {
	if len(text) != 3 {
		return false
	}
	for _, c := range text {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

// cellOf names a cell of dimensions' values.
func cellOf(values []string) string { return core.HashID("cel", values...)[4:20] }
