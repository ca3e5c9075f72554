package condition

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Each rule about values, on traits: {"trait": {"path": "v", …}}.
func TestPredicates(t *testing.T) {
	const doc = `{
		"i": 5, "l": {"$numberLong": "9007199254740993"}, "d": 0.1, "dec": {"$numberDecimal": "0.10"}, "big": {"$numberDecimal": "1E+6000"},
		"s": "Ana", "five": "5", "b": true, "n": null, "nan": {"$numberDouble": "NaN"}, "huge": 1e300, "half": 5.5,
		"tags": ["red", "green"], "empty": [], "nulls": [null], "nums": [1, 7], "nested": [["a"], ["b"]], "mixed": [null, "x"],
		"items": [{"sku": "A", "qty": 1}, {"sku": "B", "qty": 3}, {"qty": 9}], "none": [{"x": null}, {}],
		"price": {"amount": 12.5, "currency": "EUR"}, "o": {"a": 1, "b": [1, "x"]}, "a.b": "dot", "deep": {"c.d": {"e": 1}},
		"at": "2026-03-29T03:30:00+02:00", "day": "2024-02-29", "date": {"$date": {"$numberLong": "1700000000000"}}, "notdate": "2026-13-01"
	}`
	k := &known{doc: document(t, doc)}
	for _, c := range []struct {
		predicate string
		want      bool
	}{
		// Numbers are numbers, whatever holds them; nothing else is.
		{`"path":"i","eq":5`, true}, {`"path":"i","eq":5.0`, true}, {`"path":"i","eq":"5"`, false}, {`"path":"five","eq":5`, false},
		{`"path":"five","eq":"5"`, true}, {`"path":"i","eq":true`, false}, {`"path":"b","eq":true`, true}, {`"path":"b","eq":false`, false},
		{`"path":"d","eq":0.1`, true}, {`"path":"dec","eq":0.1`, true}, {`"path":"d","gt":0.1`, false}, {`"path":"d","gte":0.1000`, true},
		{`"path":"d","lt":0.10000000000000000001`, true}, {`"path":"d","gt":0.09999999999999999999`, true},
		{`"path":"l","eq":9007199254740993`, true}, {`"path":"l","eq":9007199254740992`, false}, {`"path":"l","gt":9007199254740992.5`, true},
		{`"path":"i","gt":4.5`, true}, {`"path":"i","lt":5.5`, true}, {`"path":"i","gte":5.5`, false}, {`"path":"i","lt":1e30`, true}, {`"path":"i","gt":-1e30`, true},
		{`"path":"half","gt":5`, true}, {`"path":"half","lt":6`, true}, {`"path":"half","between":[5.5,5.5]`, true},
		{`"path":"i","between":[5,9]`, true}, {`"path":"i","between":[1,5]`, true}, {`"path":"i","between":[6,9]`, false},
		// What is beyond all numbers is none.
		{`"path":"nan","gt":0`, false}, {`"path":"nan","lte":0`, false}, {`"path":"big","gt":0`, false}, {`"path":"huge","gt":0`, false}, {`"path":"huge","exists":true`, true},
		{`"path":"big","neq":5`, true},
		// Texts by their bytes.
		{`"path":"s","gt":"Amy"`, true}, {`"path":"s","lt":"ana"`, true}, {`"path":"s","between":["A","B"]`, true}, {`"path":"s","gt":1`, false},
		{`"path":"s","contains":"na"`, true}, {`"path":"s","startsWith":"An"`, true}, {`"path":"s","endsWith":"na"`, true},
		{`"path":"s","matches":"n.$"`, true}, {`"path":"s","matches":"^n"`, false}, {`"path":"i","contains":"5"`, false},
		{`"path":"s","in":["x","Ana"]`, true}, {`"path":"s","notIn":["x"]`, true}, {`"path":"s","notIn":["x","Ana"]`, false}, {`"path":"i","in":["5"]`, false},
		// Missing and null.
		{`"path":"gone","eq":1`, false}, {`"path":"gone","neq":1`, false}, {`"path":"gone","notIn":[1]`, false}, {`"path":"n","neq":1`, false},
		{`"path":"gone","exists":false`, true}, {`"path":"gone","exists":true`, false}, {`"path":"n","exists":false`, true}, {`"path":"s","exists":true`, true},
		{`"path":"s","exists":false`, false}, {`"path":"gone","neq":1,"missing":"INCLUDE"`, true}, {`"path":"n","gt":1,"missing":"INCLUDE"`, true},
		{`"path":"i","eq":6,"missing":"INCLUDE"`, false},
		{`"path":"s.below","exists":false`, true}, {`"path":"gone","size":{"gte":0}`, false}, {`"path":"gone","any":[{"path":"x","eq":1}],"missing":"INCLUDE"`, true},
		// An array means any element, a denial none.
		{`"path":"tags","eq":"red"`, true}, {`"path":"tags","eq":"blue"`, false}, {`"path":"tags","neq":"red"`, false}, {`"path":"tags","neq":"blue"`, true},
		{`"path":"tags","notIn":["blue","green"]`, false}, {`"path":"tags","contains":"red"`, true}, {`"path":"tags","contains":"blue"`, false},
		{`"path":"nums","gt":1,"lt":7`, false}, {`"path":"nums","gte":1,"lt":7`, true}, {`"path":"nested","eq":"b"`, true},
		{`"path":"empty","exists":true`, true}, {`"path":"empty","neq":"x"`, true}, {`"path":"empty","eq":"x"`, false}, {`"path":"empty","eq":"x","missing":"INCLUDE"`, false},
		{`"path":"nulls","exists":true`, true}, {`"path":"nulls","neq":1`, true}, {`"path":"mixed","eq":"x"`, true}, {`"path":"mixed","startsWith":"x"`, true},
		{`"path":"tags","size":{"eq":2}`, true}, {`"path":"tags","size":{"gt":2}`, false}, {`"path":"empty","size":{"eq":0}`, true}, {`"path":"s","size":{"gte":0}`, false},
		// Paths lead through arrays of objects.
		{`"path":"items.sku","eq":"B"`, true}, {`"path":"items.sku","neq":"B"`, false}, {`"path":"items.sku","neq":"C"`, true}, {`"path":"items.qty","gt":8`, true},
		{`"path":"items.gone","exists":false`, true}, {`"path":"none.x","exists":false`, true}, {`"path":"none.x","eq":1,"missing":"INCLUDE"`, true},
		{`"path":"items.sku","eq":"Z","missing":"INCLUDE"`, false},
		// Several predicates of one element are met by the same one.
		{`"path":"items","any":[{"path":"sku","eq":"A"},{"path":"qty","gte":2}]`, false}, {`"path":"items","any":[{"path":"sku","eq":"B"},{"path":"qty","gte":2}]`, true},
		{`"path":"items","all":[{"path":"qty","gte":1}]`, true}, {`"path":"items","all":[{"path":"sku","exists":true}]`, false},
		{`"path":"items","none":[{"path":"qty","gt":9}]`, true}, {`"path":"items","none":[{"path":"sku","eq":"A"},{"path":"qty","eq":1}]`, false},
		{`"path":"items","none":[{"path":"sku","eq":"A"},{"path":"qty","eq":3}]`, true},
		{`"path":"empty","all":[{"path":"","eq":1}]`, false}, {`"path":"empty","none":[{"path":"","eq":1}]`, true}, {`"path":"s","none":[{"path":"","eq":1}]`, false},
		{`"path":"nums","all":[{"path":"","gt":0}]`, true}, {`"path":"nums","any":[{"path":"","gt":1},{"path":"","lt":7}]`, false},
		// Objects and money.
		{`"path":"o","eq":{"a":1.0,"b":[1,"x"]}`, true}, {`"path":"o","eq":{"a":1}`, false}, {`"path":"o","eq":{"a":1,"b":[1]}`, false}, {`"path":"o","eq":{"a":1,"b":[1,"x",2]}`, false},
		{`"path":"price","eq":{"amount":12.50,"currency":"EUR"}`, true}, {`"path":"price","gt":{"amount":12,"currency":"EUR"}`, true},
		{`"path":"price","gt":{"amount":12,"currency":"RON"}`, false}, {`"path":"price","lt":{"amount":100,"currency":"RON"}`, false},
		{`"path":"price","neq":{"amount":12.5,"currency":"RON"}`, true}, {`"path":"price","gt":12`, false}, {`"path":"price.amount","gt":12`, true},
		{`"path":"price","between":[{"amount":12,"currency":"EUR"},{"amount":13,"currency":"EUR"}]`, true},
		// Escaped keys.
		{`"path":"a\\.b","eq":"dot"`, true}, {`"path":"a.b","exists":true`, false}, {`"path":"deep.c\\.d.e","eq":1`, true},
		// Dates.
		{`"path":"at","before":"2026-03-29T01:30:00.001Z"`, true}, {`"path":"at","after":"2026-03-29T01:29:59Z"`, true}, {`"path":"at","after":"2026-03-29T01:30:00Z"`, false},
		{`"path":"date","after":"2023-11-14T22:13:19Z"`, true}, {`"path":"date","before":"2023-11-14T22:13:20Z"`, false}, {`"path":"notdate","after":"2020-01-01T00:00:00Z"`, false},
		{`"path":"i","after":"1960-01-01T00:00:00Z"`, false}, {`"path":"day","before":"2024-02-29T00:00:01Z"`, true}, {`"path":"day","after":"2024-02-28T23:59:59Z"`, true},
	} {
		p := program(t, `{"trait":{`+c.predicate+`}}`, Zone{})
		if a := p.Evaluate(k, time.Unix(0, 0)); a.Value != c.want || !a.Next.IsZero() {
			t.Errorf("%s: %v until %v, want %v", c.predicate, a.Value, a.Next, c.want)
		}
		f := program(t, `{"field":{`+c.predicate+`}}`, Zone{})
		if a := f.Evaluate(&known{record: k.doc}, time.Unix(0, 0)); a.Value != c.want {
			t.Errorf("field %s: %v, want %v", c.predicate, a.Value, c.want)
		}
	}
}

// Long lists answer as short ones do.
func TestLongChoices(t *testing.T) {
	var list []string
	for i := range 50 {
		list = append(list, fmt.Sprint(i), fmt.Sprintf(`"t%d"`, i), fmt.Sprintf("%d.5", i))
	}
	list = append(list, "true", `{"a":1}`)
	p := program(t, `{"trait":{"path":"v","in":[`+strings.Join(list, ",")+`]}}`, Zone{})
	not := program(t, `{"trait":{"path":"v","notIn":[`+strings.Join(list, ",")+`]}}`, Zone{})
	for doc, want := range map[string]bool{
		`{"v":7}`: true, `{"v":7.0}`: true, `{"v":7.5}`: true, `{"v":{"$numberDecimal":"7.50"}}`: true, `{"v":{"$numberLong":"7"}}`: true, `{"v":"t7"}`: true, `{"v":"7"}`: false,
		`{"v":51}`: false, `{"v":7.25}`: false, `{"v":true}`: true, `{"v":false}`: false, `{"v":{"a":1}}`: true, `{"v":["x","t3"]}`: true,
	} {
		k := &known{doc: document(t, doc)}
		if p.Evaluate(k, time.Now()).Value != want || not.Evaluate(k, time.Now()).Value == want {
			t.Errorf("%s: want in %v", doc, want)
		}
	}
}

// Predicates about dates next to now, and when they change.
func TestRelativeDates(t *testing.T) {
	const bucharest = "Europe/Bucharest"
	for _, c := range []struct{ zone, value, predicate, now, want, next string }{
		{"UTC", `"2026-11-01T10:00:00Z"`, `"within":{"past":"P7D"}`, "2026-11-01T09:59:59.999Z", "false", "2026-11-01T10:00:00Z"},
		{"UTC", `"2026-11-01T10:00:00Z"`, `"within":{"past":"P7D"}`, "2026-11-01T10:00:00Z", "true", "2026-11-08T10:00:00Z"},
		{"UTC", `"2026-11-01T10:00:00Z"`, `"within":{"past":"P7D"}`, "2026-11-08T10:00:00Z", "false", ""},
		{"UTC", `"2026-11-01T10:00:00Z"`, `"within":{"next":"P7D"}`, "2026-10-25T09:59:59.999Z", "false", "2026-10-25T10:00:00Z"},
		{"UTC", `"2026-11-01T10:00:00Z"`, `"within":{"next":"P7D"}`, "2026-10-25T10:00:00Z", "true", "2026-11-01T10:00:00Z"},
		{"UTC", `"2026-11-01T10:00:00Z"`, `"within":{"next":"P7D"}`, "2026-11-01T10:00:00Z", "false", ""},
		{"UTC", `"2026-11-01T10:00:00Z"`, `"olderThan":"P7D"`, "2026-11-08T09:59:59.999Z", "false", "2026-11-08T10:00:00Z"},
		{"UTC", `"2026-11-01T10:00:00Z"`, `"olderThan":"P7D"`, "2026-11-08T10:00:00Z", "true", ""},
		{"UTC", `"2026-02-28T10:00:00Z"`, `"olderThan":"P1M"`, "2026-03-28T09:00:00Z", "false", "2026-03-28T10:00:00Z"},
		{"UTC", `{"$date":{"$numberLong":"1793527200000"}}`, `"olderThan":"P7D"`, "2026-11-08T10:00:00Z", "true", ""},
		{"UTC", `["2020-01-01T00:00:00Z","2026-11-05T00:00:00Z"]`, `"within":{"past":"P7D"}`, "2026-11-04T00:00:00Z", "false", "2026-11-05T00:00:00Z"},
		// A date is a day in the zone: in Bucharest it begins at 22:00 UTC.
		{bucharest, `"2026-11-01"`, `"within":{"past":"P1D"}`, "2026-10-31T21:59:59Z", "false", "2026-10-31T22:00:00Z"},
		{bucharest, `"2026-11-01"`, `"within":{"past":"P1D"}`, "2026-10-31T22:00:00Z", "true", "2026-11-01T22:00:00Z"},
		// Anniversaries come at local midnight, 29 February on 28 February in common years.
		{bucharest, `"1990-03-29"`, `"anniversary":{"past":"P1D"}`, "2026-03-28T21:59:59Z", "false", "2026-03-28T22:00:00Z"},
		{bucharest, `"1990-03-29"`, `"anniversary":{"past":"P1D"}`, "2026-03-28T22:00:00Z", "true", "2026-03-29T22:00:00Z"},
		{bucharest, `"1990-03-28T22:30:00Z"`, `"anniversary":{"past":"P1D"}`, "2026-03-28T22:00:00Z", "true", "2026-03-29T22:00:00Z"},
		{"UTC", `"2024-02-29"`, `"anniversary":{"next":"P7D"}`, "2026-02-21T00:00:00Z", "true", "2026-02-28T00:00:00Z"},
		{"UTC", `"2024-02-29"`, `"anniversary":{"next":"P7D"}`, "2026-02-28T00:00:00Z", "false", "2027-02-21T00:00:00Z"},
		{"UTC", `"2024-02-29"`, `"anniversary":{"next":"P7D"}`, "2028-02-21T23:00:00Z", "false", "2028-02-22T00:00:00Z"},
		{"UTC", `"2024-02-29"`, `"anniversary":{"past":"P1D"}`, "2028-02-29T12:00:00Z", "true", "2028-03-01T00:00:00Z"},
		{"UTC", `"1990-01-03"`, `"anniversary":{"next":"P7D"}`, "2026-12-28T12:00:00Z", "true", "2027-01-03T00:00:00Z"}, // over the turn of the year
		{"UTC", `"1990-12-31"`, `"anniversary":{"past":"P7D"}`, "2027-01-02T00:00:00Z", "true", "2027-01-07T00:00:00Z"},
	} {
		p := program(t, `{"trait":{"path":"v",`+c.predicate+`}}`, Zone{Location: zone(t, c.zone)})
		k := &known{doc: document(t, `{"v":`+c.value+`}`)}
		t.Run(c.value+c.predicate+c.now, func(t *testing.T) {
			expect(t, p, k, instantIn(t, c.now), c.want == "true", c.next)
		})
	}
}

// A trait's path may lead through an array that facts do not enter.
func TestTraitThroughArray(t *testing.T) {
	k := &known{doc: document(t, `{"cart":{"items":[{"sku":"A"},{"sku":"B"}]}}`)}
	p := program(t, `{"trait":{"path":"cart.items.sku","eq":"B"}}`, Zone{})
	if !p.Evaluate(k, time.Now()).Value || k.asked != 2 {
		t.Errorf("asked %d times", k.asked)
	}
}

// The zone is the profile's own when the condition says so, and it has one.
func TestZoneOfProfile(t *testing.T) {
	text := `{"trait":{"path":"v","within":{"past":"P1D"}}}`
	k := &known{doc: document(t, `{"v":"2026-11-01"}`)}
	now := instantIn(t, "2026-10-31T23:00:00Z")
	own := program(t, text, Zone{OfProfile: true})
	expect(t, own, k, now, false, "2026-11-01T00:00:00Z")
	k.loc = zone(t, "Europe/Bucharest")
	expect(t, own, k, now, true, "2026-11-01T22:00:00Z")
	expect(t, program(t, text, Zone{}), k, now, false, "2026-11-01T00:00:00Z")
	if !own.Needs().Zone || program(t, text, Zone{}).Needs().Zone {
		t.Error("needs do not tell of the zone")
	}
	if program(t, `{"trait":{"path":"v","eq":1}}`, Zone{OfProfile: true}).Needs().Zone {
		t.Error("eq needs no zone")
	}
}

// Bytes that are no BSON end a search and do no harm.
func TestBrokenDocuments(t *testing.T) {
	whole := document(t, `{"a":{"b":[1,"x",{"c":2.5}]},"v":"text"}`)
	p := program(t, `{"or":[{"field":{"path":"a.b.c","gt":2}},{"field":{"path":"v","eq":"text"}},{"field":{"path":"a","size":{"eq":1}}}]}`, Zone{})
	for i := range whole {
		p.Evaluate(&known{record: whole[:i]}, time.Now())
		for _, b := range []byte{0, 1, 0x7f, 0xff} {
			broken := append(bson.Raw(nil), whole...)
			broken[i] = b
			p.Evaluate(&known{record: broken}, time.Now())
		}
	}
}

// Including what is missing lets it pass everything but exists, which a checked
// condition does not ask together.
func TestIncludedAndExists(t *testing.T) {
	for _, must := range []bool{true, false} {
		p, err := Compile(&Node{Trait: &Predicate{Path: "v", IncludeNull: true, Operators: []Operator{{Exists, must}, {Eq, "x"}}}}, Zone{})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Evaluate(&known{doc: document(t, `{"v":null}`)}, time.Now()).Value; got == must {
			t.Errorf("exists %v of null: %v", must, got)
		}
	}
}
