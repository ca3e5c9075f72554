package privacy

import (
	"context"
	"encoding/hex"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// residual keeps what a day's erased events of one name counted and summed to. It is
// about nobody: additions of several people lie in one document.
type residual struct {
	store.Meta `bson:",inline"`           // key: workspace/2026-11-22/name of the event
	N          int64                      `bson:"n"`
	S          map[string]map[string]part `bson:"s,omitempty"` // hex of the path → currency → sum
}

// part is a sum: I and F billionths.
type part struct {
	I int64 `bson:"i"`
	F int64 `bson:"f"`
}

// residuals is what totals keep of erased people.
var residuals = store.Declare[residual](store.Spec{Name: "residuals"})

// noCurrency stands for the currency of an amount that has none.
const noCurrency = "none"

var currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)

// nano is how finely amounts are kept.
var nano = big.NewInt(1_000_000_000)

// residualOps returns what a deleted event leaves: its count, and the sums of its
// numbers whose category is TRANSACTION, by currency.
func (s *Service) residualOps(ctx context.Context, ws string, e *event.Event) ([]store.Op, error) {
	add := map[string]int64{"n": 1}
	owner := event.OwnerOf(e.Name)
	categories, err := s.o.Events.Categories(ctx, ws, owner)
	if err != nil {
		return nil, err
	}
	currency := noCurrency
	if len(e.Properties) > 0 {
		if c, ok := e.Properties.Lookup("currency").StringValueOK(); ok && currencyCode.MatchString(strings.ToUpper(c)) {
			currency = strings.ToUpper(c)
		}
	}
	eachNumber(e.Properties, nil, func(keys []string, n *big.Rat) {
		path := event.JoinPath(keys...)
		category, known := categories[path]
		if !known {
			category = event.DefaultCategory(owner, path)
		}
		if category != core.Transaction {
			return
		}
		i, f, ok := split(n)
		if !ok {
			return
		}
		at := "s." + hex.EncodeToString([]byte(path)) + "." + currency
		add[at+".i"] += i
		add[at+".f"] += f
	})
	ops := []store.Op{residuals.Add(store.Key(ws, e.Timestamp.UTC().Format(time.DateOnly), e.Name), add)}
	if s.o.Deleted == nil {
		return ops, nil
	}
	more, err := s.o.Deleted(ctx, ws, e)
	return append(ops, more...), err
}

// split cuts an amount into whole units and billionths, rounded half away from zero;
// false when it does not fit.
func split(n *big.Rat) (i, f int64, ok bool) {
	scaled := new(big.Rat).Mul(n, new(big.Rat).SetInt(nano))
	whole, err := strconv.ParseInt(scaled.FloatString(0), 10, 64)
	if err == nil {
		return whole / nano.Int64(), whole % nano.Int64(), true
	}
	digits, ok := new(big.Int).SetString(scaled.FloatString(0), 10)
	if !ok {
		return 0, 0, false
	}
	q, r := new(big.Int).QuoRem(digits, nano, new(big.Int))
	if !q.IsInt64() || q.Int64() > 1<<60 || q.Int64() < -(1<<60) {
		return 0, 0, false
	}
	return q.Int64(), r.Int64(), true
}

// eachNumber calls f with every number of a document; an array adds nothing to the
// path.
func eachNumber(doc bson.Raw, keys []string, f func([]string, *big.Rat)) {
	for it := event.Elements(doc); it.Next(); {
		number(it.Value(), append(keys, string(it.Key())), f)
	}
}

func number(v bson.RawValue, keys []string, f func([]string, *big.Rat)) {
	var text string
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		eachNumber(v.Value, keys, f)
		return
	case bson.TypeArray:
		for it := event.Elements(v.Value); it.Next(); {
			number(it.Value(), keys, f)
		}
		return
	case bson.TypeInt32, bson.TypeInt64:
		n, _ := v.AsInt64OK()
		f(keys, new(big.Rat).SetInt64(n))
		return
	case bson.TypeDouble:
		text = strconv.FormatFloat(v.Double(), 'f', -1, 64)
	case bson.TypeDecimal128:
		text = v.Decimal128().String()
	default:
		return
	}
	if n, ok := new(big.Rat).SetString(text); ok {
		f(keys, n)
	}
}

// Total is what erased people's events of one name and day counted and summed to.
type Total struct {
	Day    time.Time
	Name   string
	Events int64
	Sums   []Sum
}

// Sum is the sum of a property in a currency ("" for none).
type Sum struct {
	Path, Currency string
	Amount         *big.Rat
}

// Totals returns the residuals of the days from and to, both included, in the order of
// days and names: what is to be added to a figure over events that are left.
func (s *Service) Totals(ctx context.Context, ws string, from, to time.Time) ([]Total, error) {
	docs, err := residuals.Find(ctx, s.o.Store, store.Query{Workspace: ws, Where: []store.Cond{
		store.Gte("_id", store.Key(ws, from.UTC().Format(time.DateOnly))), store.Lt("_id", store.Key(ws, to.UTC().Format(time.DateOnly)+"0")),
	}}, 0)
	if err != nil {
		return nil, outward(err)
	}
	out := make([]Total, len(docs))
	for i, d := range docs {
		day, name, _ := strings.Cut(store.Rest(d.ID), "/")
		at, _ := time.Parse(time.DateOnly, day)
		out[i] = Total{Day: at, Name: name, Events: d.N}
		for path, by := range d.S {
			plain, _ := hex.DecodeString(path)
			for currency, sum := range by {
				if currency == noCurrency {
					currency = ""
				}
				amount := new(big.Rat).Add(new(big.Rat).SetInt64(sum.I), new(big.Rat).SetFrac(big.NewInt(sum.F), nano))
				out[i].Sums = append(out[i].Sums, Sum{Path: string(plain), Currency: currency, Amount: amount})
			}
		}
	}
	return out, nil
}
