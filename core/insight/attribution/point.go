package attribution

import (
	"math"
	"math/big"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// shards is among how many groups people are spread, so that one group's points fit into
// memory.
const shards = 64

// Point is what an event is to attribution: a touchpoint, a conversion, or both.
type Point struct {
	store.Meta `bson:",inline"` // key: the event's
	Part       string           `bson:"part"`
	Shard      int64            `bson:"shard"` // of the part
	At         time.Time        `bson:"at"`    // the event's own time
	Source     string           `bson:"src"`
	Touch      string           `bson:"t,omitempty"` // key of the rule
	Is         []string         `bson:"d,omitempty"` // of a touchpoint: the values of Dimensions, in their order
	Gains      []Won            `bson:"g,omitempty"`
}

// Won is a conversion of one kind.
type Won struct {
	Goal     string `bson:"k"`
	Minor    int64  `bson:"v,omitempty"` // in the smallest unit of the currency
	Currency string `bson:"c,omitempty"` // "": no value
}

// The collections of the package.
var (
	Points = store.Declare[Point](store.Spec{
		Name: "attribution_points", Derived: true, Subject: "part",
		Data:    map[string]core.Category{"*": core.Behaviour},
		Indexes: []store.Index{store.On("part", "at").WithFewTies(), store.On("shard", "at").WithFewTies()},
	})
	rulesDocs = store.Declare[Rules](store.Spec{Name: "attribution_rules", Reach: store.ReachNobody, Data: map[string]core.Category{"touches": core.None}})
)

// Specs lists the collections of the package.
func Specs() []*store.Spec { return []*store.Spec{Points.Spec, rulesDocs.Spec} }

// pointOf returns what the rules make of an event; nil for nothing. Of the names of
// Headwater's own events only Headwater's count: not what a client sends under them.
func (r *Rules) pointOf(e *event.Event) *Point {
	own := e.Type == event.System && e.Source == profile.SystemSource
	if own != condition.IsSystemEvent(e.Name) {
		return nil
	}
	p := &Point{Meta: store.Meta{ID: e.ID}, Part: e.Part, Shard: shardOf(e.Part), At: e.Timestamp, Source: e.Source}
	for i := range r.Touches {
		t := &r.Touches[i]
		if t.Event != e.Name {
			continue
		}
		is := make([]string, len(Dimensions))
		for j, d := range Dimensions {
			is[j] = find(e, t.Find[string(d)])
		}
		if is[0] = strings.ToLower(is[0]); is[0] != "" {
			p.Touch, p.Is = t.Key, is
			break
		}
	}
	for i := range r.Conversions {
		if g := &r.Conversions[i]; g.Event == e.Name {
			won := Won{Goal: g.Key}
			won.Minor, won.Currency = g.value(e)
			p.Gains = append(p.Gains, won)
		}
	}
	if p.Touch == "" && len(p.Gains) == 0 {
		return nil
	}
	return p
}

func shardOf(part string) int64 { return int64(profile.BucketOf(part, "attribution")) % shards }

// at returns the value at a path of an event.
func at(e *event.Event, path string) bson.RawValue {
	doc := e.Properties
	rest, ok := strings.CutPrefix(path, "properties.")
	if !ok {
		doc = e.Context
		rest, ok = strings.CutPrefix(path, "context.")
	}
	if !ok || len(doc) == 0 {
		return bson.RawValue{}
	}
	v, err := doc.LookupErr(strings.Split(rest, ".")...)
	if err != nil {
		return bson.RawValue{}
	}
	return v
}

// find returns what the first lookup finds that finds something.
func find(e *event.Event, list []Lookup) string {
	for _, l := range list {
		if l.Path == "" {
			return l.Text
		}
		s := written(at(e, l.Path))
		switch {
		case s == "":
			continue
		case l.Param != "":
			s = parameter(s, l.Param)
		case l.Host:
			if s = hostOf(s); s == hostOf(page(e)) {
				s = "" // from one page of the shop to another
			}
		}
		if s = tidy(s); s != "" && l.Text != "" {
			s = l.Text
		}
		if s != "" {
			return s
		}
	}
	return ""
}

func page(e *event.Event) string {
	if s := written(at(e, "context.page.url")); s != "" {
		return s
	}
	return written(at(e, "properties.url"))
}

func written(v bson.RawValue) string {
	switch v.Type {
	case bson.TypeString:
		return v.StringValue()
	case bson.TypeInt32, bson.TypeInt64:
		return strconv.FormatInt(v.AsInt64(), 10)
	}
	return ""
}

// tidy keeps a value in one short line.
func tidy(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	for len(s) > maxText {
		_, n := utf8.DecodeLastRuneInString(s[:maxText+1])
		s = s[:maxText+1-n]
	}
	return s
}

func parameter(address, name string) string {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return ""
	}
	return u.Query().Get(name)
}

func hostOf(address string) string {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(strings.ToLower(u.Hostname()), "www.")
}

// value returns what a conversion is worth; no currency, no value.
func (g *Goal) value(e *event.Event) (int64, string) {
	if g.ValuePath == "" {
		return 0, ""
	}
	v := at(e, g.ValuePath)
	currency := ""
	if g.CurrencyPath != "" {
		currency = written(at(e, g.CurrencyPath))
	}
	if doc, ok := v.DocumentOK(); ok { // money
		currency = written(doc.Lookup("currency"))
		v = doc.Lookup("amount")
	}
	if currency == "" {
		currency = g.Currency
	}
	if currency = strings.ToUpper(currency); !currencyForm.MatchString(currency) {
		return 0, ""
	}
	minor, ok := minorOf(v, Digits(currency))
	if !ok {
		return 0, ""
	}
	return minor, currency
}

// maxAmount is the most that one conversion is worth, in whole units.
const maxAmount = 1e12

// minorOf returns a number in units of its digits-th decimal; halves go away from 0.
func minorOf(v bson.RawValue, digits int) (int64, bool) {
	text := ""
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64:
		text = strconv.FormatInt(v.AsInt64(), 10)
	case bson.TypeDouble:
		text = strconv.FormatFloat(v.Double(), 'g', -1, 64)
	case bson.TypeDecimal128:
		text = v.Decimal128().String()
	}
	near, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(near) > maxAmount || math.IsNaN(near) {
		return 0, false
	}
	if math.Abs(near) < 1e-9 { // also spares exponents that no amount has
		return 0, true
	}
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		return 0, false
	}
	n.Mul(n, new(big.Rat).SetInt64(int64(math.Pow10(digits))))
	half := big.NewRat(1, 2)
	if n.Sign() < 0 {
		half.Neg(half)
	}
	n.Add(n, half)
	return new(big.Int).Quo(n.Num(), n.Denom()).Int64(), true
}

// Digits returns how many decimals a currency has (ISO 4217): 2 where it is not listed.
func Digits(currency string) int {
	switch currency {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	}
	return 2
}

// Amount writes an amount of the smallest unit of a currency as a decimal number.
func Amount(minor int64, currency string) string {
	return new(big.Rat).SetFrac64(minor, int64(math.Pow10(Digits(currency)))).FloatString(Digits(currency))
}
