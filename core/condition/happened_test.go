package condition

import (
	"testing"
	"time"
)

// when tells, event by event of name "E" (with {"n": …}), what a condition says at
// an instant and until when.
func TestEvents(t *testing.T) {
	e := func(at string) happening { return happening{name: "E", at: at} }
	n := func(at, properties string) happening { return happening{name: "E", at: at, properties: properties} }
	f := func(at string) happening { return happening{name: "F", at: at} }
	other := func(h happening) happening { h.part = "other"; return h }
	for _, c := range []struct {
		name, condition, now string
		events               []happening
		want                 bool
		next                 string
	}{
		{"none", `{"event":{"name":"E"}}`, "2026-11-22", nil, false, ""},
		{"ever", `{"event":{"name":"E"}}`, "2026-11-22", []happening{e("2020-01-01")}, true, ""},
		{"another", `{"event":{"name":"E"}}`, "2026-11-22", []happening{f("2020-01-01")}, false, ""},
		{"not yet", `{"event":{"name":"E"}}`, "2026-11-22", []happening{e("2026-11-23")}, false, "2026-11-23"},
		{"where", `{"event":{"name":"E","where":[{"path":"n","gte":5}]}}`, "2026-11-22", []happening{n("2026-11-20", `{"n":4}`)}, false, ""},
		{"where, independent", `{"event":{"name":"E","where":[{"path":"i.a","eq":1},{"path":"i.b","eq":2}]}}`, "2026-11-22", []happening{n("2026-11-20", `{"i":[{"a":1},{"b":2}]}`)}, true, ""},
		{"where, one element", `{"event":{"name":"E","where":[{"path":"i","any":[{"path":"a","eq":1},{"path":"b","eq":2}]}]}}`, "2026-11-22", []happening{n("2026-11-20", `{"i":[{"a":1},{"b":2}]}`)}, false, ""},
		// (now − W, now], to the millisecond.
		{"just inside", `{"event":{"name":"E","window":{"last":"P30D"}}}`, "2026-11-22T11:59:59.999", []happening{e("2026-10-23T12:00")}, true, "2026-11-22T12:00"},
		{"just outside", `{"event":{"name":"E","window":{"last":"P30D"}}}`, "2026-11-22T12:00", []happening{e("2026-10-23T12:00")}, false, ""},
		{"now", `{"event":{"name":"E","window":{"last":"P30D"}}}`, "2026-11-22T12:00", []happening{e("2026-11-22T12:00")}, true, "2026-12-22T12:00"},
		// The k-th latest decides.
		{"two of three", `{"event":{"name":"E","count":{"gte":2},"window":{"last":"P30D"}}}`, "2026-11-22", []happening{e("2026-11-01"), e("2026-11-05"), e("2026-11-10")}, true, "2026-12-05"},
		{"exactly two of three", `{"event":{"name":"E","count":{"eq":2},"window":{"last":"P30D"}}}`, "2026-11-22", []happening{e("2026-11-01"), e("2026-11-05"), e("2026-11-10")}, false, "2026-12-01"},
		{"at most one of three", `{"event":{"name":"E","count":{"lte":1},"window":{"last":"P30D"}}}`, "2026-11-22", []happening{e("2026-11-01"), e("2026-11-05"), e("2026-11-10")}, false, "2026-12-05"},
		{"none, which stays", `{"event":{"name":"E","count":{"eq":0},"window":{"last":"P30D"}}}`, "2026-11-22", nil, true, ""},
		{"between", `{"event":{"name":"E","count":{"gte":1,"lte":2},"window":{"last":"P30D"}}}`, "2026-11-22", []happening{e("2026-11-01"), e("2026-11-05")}, true, "2026-12-05"},
		{"two at once leave at once", `{"event":{"name":"E","count":{"eq":1},"window":{"last":"P30D"}}}`, "2026-11-22", []happening{e("2026-11-01"), e("2026-11-01")}, false, ""},
		{"one comes before one leaves", `{"event":{"name":"E","count":{"gte":2},"window":{"last":"P30D"}}}`, "2026-11-22", []happening{e("2026-11-01"), e("2026-11-05"), e("2026-11-25")}, true, "2026-12-05"},
		{"one more comes", `{"event":{"name":"E","count":{"gte":3},"window":{"last":"P30D"}}}`, "2026-11-22", []happening{e("2026-11-01"), e("2026-11-05"), e("2026-11-25")}, false, "2026-11-25"},
		{"it comes too late", `{"event":{"name":"E","count":{"gte":2},"window":{"last":"P1D"}}}`, "2026-11-22", []happening{e("2026-11-21T12:00"), e("2026-11-25")}, false, ""},
		{"of two parts", `{"event":{"name":"E","count":{"gte":2},"window":{"last":"P30D"}}}`, "2026-11-22", []happening{e("2026-11-05"), other(e("2026-11-01"))}, true, "2026-12-01"},
		{"totals of two parts", `{"event":{"name":"E","count":{"eq":3}}}`, "2026-11-22", []happening{e("2026-11-05"), other(e("2026-11-01")), other(e("2020-11-01"))}, true, ""},
		{"totals and what comes", `{"event":{"name":"E","count":{"eq":1}}}`, "2026-11-22", []happening{e("2026-11-05"), e("2026-12-01")}, true, "2026-12-01"},
		// Absolute, ago and calendar windows.
		{"from is in", `{"event":{"name":"E","window":{"between":{"from":"2026-11-01T00:00:00Z","to":"2026-11-10T00:00:00Z"}}}}`, "2026-11-22", []happening{e("2026-11-01")}, true, ""},
		{"to is out", `{"event":{"name":"E","window":{"between":{"from":"2026-11-01T00:00:00Z","to":"2026-11-10T00:00:00Z"}}}}`, "2026-11-22", []happening{e("2026-11-10")}, false, ""},
		{"it is about to come", `{"event":{"name":"E","window":{"between":{"from":"2026-11-01T00:00:00Z","to":"2026-12-10T00:00:00Z"}}}}`, "2026-11-22", []happening{e("2026-12-01")}, false, "2026-12-01"},
		{"grows into ago", `{"event":{"name":"E","window":{"ago":{"from":"P60D","to":"P30D"}}}}`, "2026-11-22", []happening{e("2026-11-01")}, false, "2026-12-01"},
		{"is in ago", `{"event":{"name":"E","window":{"ago":{"from":"P60D","to":"P30D"}}}}`, "2026-12-01", []happening{e("2026-11-01")}, true, "2026-12-31"},
		{"is past ago", `{"event":{"name":"E","window":{"ago":{"from":"P60D","to":"P30D"}}}}`, "2026-12-31", []happening{e("2026-11-01")}, false, ""},
		{"today", `{"event":{"name":"E","window":{"calendar":"DAY"}}}`, "2026-11-22T12:00", []happening{e("2026-11-22")}, true, "2026-11-23"},
		{"yesterday", `{"event":{"name":"E","window":{"calendar":"DAY"}}}`, "2026-11-22T12:00", []happening{e("2026-11-21T23:59:59.999")}, false, ""},
		// First, last, stopped.
		{"first in", `{"firstTime":{"name":"E","window":{"last":"P30D"}}}`, "2026-11-22", []happening{e("2026-11-01"), e("2026-11-10")}, true, "2026-12-01"},
		{"first before", `{"firstTime":{"name":"E","window":{"last":"P30D"}}}`, "2026-11-22", []happening{e("2020-11-01"), e("2026-11-10")}, false, ""},
		{"first before, in another part", `{"firstTime":{"name":"E","window":{"last":"P30D"}}}`, "2026-11-22", []happening{other(e("2020-11-01")), e("2026-11-10")}, false, ""},
		{"first to come", `{"firstTime":{"name":"E","window":{"last":"P30D"}}}`, "2026-11-22", []happening{e("2026-12-01")}, false, "2026-12-01"},
		{"last in, matching", `{"lastEvent":{"name":"E","where":[{"path":"n","eq":1}],"window":{"last":"P30D"}}}`, "2026-11-22", []happening{n("2026-11-01", `{"n":2}`), n("2026-11-10", `{"n":1}`)}, true, "2026-12-10"},
		{"last in, not matching", `{"lastEvent":{"name":"E","where":[{"path":"n","eq":1}],"window":{"last":"P30D"}}}`, "2026-11-22", []happening{n("2026-11-11", `{"n":2}`), n("2026-11-10", `{"n":1}`)}, false, ""},
		{"last before another comes", `{"lastEvent":{"name":"E","where":[{"path":"n","eq":1}]}}`, "2026-11-22", []happening{n("2026-11-10", `{"n":1}`), n("2026-12-01", `{"n":2}`)}, true, "2026-12-01"},
		{"not stopped yet", `{"stopped":{"name":"E","window":{"last":"P30D"}}}`, "2026-11-22", []happening{e("2020-11-01"), e("2026-11-10")}, false, "2026-12-10"},
		{"stopped", `{"stopped":{"name":"E","window":{"last":"P30D"}}}`, "2026-12-10", []happening{e("2020-11-01"), e("2026-11-10")}, true, ""},
		{"never began", `{"stopped":{"name":"E","window":{"last":"P30D"}}}`, "2026-12-10", nil, false, ""},
		{"stopped too early", `{"stopped":{"name":"E","count":{"gte":3},"window":{"last":"P30D"}}}`, "2026-12-10", []happening{e("2020-11-01"), other(e("2026-11-10"))}, false, ""},
		{"stopped until", `{"stopped":{"name":"E","window":{"last":"P30D"}}}`, "2026-11-22", []happening{e("2020-11-01"), e("2026-12-01")}, true, "2026-12-01"},
		{"before a window that lies ahead", `{"stopped":{"name":"E","window":{"between":{"from":"2026-12-10T00:00:00Z","to":"2026-12-20T00:00:00Z"}}}}`, "2026-11-22", []happening{e("2026-12-01")}, false, "2026-12-01"},
		{"in a window that lies ahead", `{"stopped":{"name":"E","window":{"between":{"from":"2026-12-10T00:00:00Z","to":"2026-12-20T00:00:00Z"}}}}`, "2026-11-22", []happening{e("2026-11-01"), e("2026-12-11")}, true, "2026-12-11"},
		// Aggregates.
		{"sum of nothing", `{"aggregate":{"event":{"name":"E"},"fn":"SUM","path":"n","value":{"eq":0}}}`, "2026-11-22", nil, true, ""},
		{"distinct of nothing", `{"aggregate":{"event":{"name":"E"},"fn":"DISTINCT","path":"n","value":{"lte":0}}}`, "2026-11-22", nil, true, ""},
		{"count of nothing", `{"aggregate":{"event":{"name":"E"},"fn":"COUNT","value":{"eq":0}}}`, "2026-11-22", nil, true, ""},
		{"avg of nothing", `{"aggregate":{"event":{"name":"E"},"fn":"AVG","path":"n","value":{"lte":0}}}`, "2026-11-22", nil, false, ""},
		{"min of nothing", `{"aggregate":{"event":{"name":"E"},"fn":"MIN","path":"n","value":{"lte":0}}}`, "2026-11-22", []happening{n("2026-11-01", `{"n":"1"}`)}, false, ""},
		{"exact sum", `{"aggregate":{"event":{"name":"E"},"fn":"SUM","path":"n","value":{"eq":0.3}}}`, "2026-11-22", []happening{n("2026-11-01", `{"n":0.1}`), n("2026-11-01", `{"n":0.2}`)}, true, ""},
		{"exact average", `{"aggregate":{"event":{"name":"E"},"fn":"AVG","path":"n","value":{"gt":0.3333333333333333333333}}}`, "2026-11-22", []happening{n("2026-11-01", `{"n":[0,0]}`), n("2026-11-01", `{"n":1}`)}, true, ""},
		{"sum until one leaves", `{"aggregate":{"event":{"name":"E","window":{"last":"P30D"}},"fn":"SUM","path":"n","value":{"gte":5}}}`, "2026-11-22", []happening{n("2026-11-01", `{"n":1}`), n("2026-11-05", `{"n":7}`)}, true, "2026-12-01"},
		{"money of one currency", `{"aggregate":{"event":{"name":"E"},"fn":"SUM","path":"p","currency":"EUR","value":{"eq":5}}}`, "2026-11-22", []happening{n("2026-11-01", `{"p":{"amount":5,"currency":"EUR"}}`), n("2026-11-05", `{"p":{"amount":7,"currency":"RON"}}`), n("2026-11-05", `{"p":7}`)}, true, ""},
		{"5 and \"5\" differ, 5 and 5.0 do not", `{"aggregate":{"event":{"name":"E"},"fn":"DISTINCT","path":"n","value":{"eq":2}}}`, "2026-11-22", []happening{n("2026-11-01", `{"n":5}`), n("2026-11-05", `{"n":5.0}`), n("2026-11-05", `{"n":["5",null]}`)}, true, ""},
		{"count of those that have it", `{"aggregate":{"event":{"name":"E"},"fn":"COUNT","path":"n","value":{"eq":1}}}`, "2026-11-22", []happening{n("2026-11-01", `{"n":5}`), n("2026-11-05", `{}`)}, true, ""},
		// Sequences.
		{"in order", `{"sequence":{"steps":[{"name":"E"},{"name":"F"}]}}`, "2026-11-22", []happening{f("2026-11-05"), e("2026-11-01")}, true, ""},
		{"out of order", `{"sequence":{"steps":[{"name":"E"},{"name":"F"}]}}`, "2026-11-22", []happening{e("2026-11-05"), f("2026-11-01")}, false, ""},
		{"at one instant by id", `{"sequence":{"steps":[{"name":"E"},{"name":"F"}]}}`, "2026-11-22", []happening{e("2026-11-05"), f("2026-11-05")}, true, ""},
		{"at one instant by id, the other way", `{"sequence":{"steps":[{"name":"E"},{"name":"F"}]}}`, "2026-11-22", []happening{f("2026-11-05"), e("2026-11-05")}, false, ""},
		{"one event is not two steps", `{"sequence":{"steps":[{"name":"E"},{"name":"E"}]}}`, "2026-11-22", []happening{e("2026-11-05")}, false, ""},
		{"across parts", `{"sequence":{"steps":[{"name":"E"},{"name":"F"}]}}`, "2026-11-22", []happening{other(f("2026-11-05")), e("2026-11-01")}, true, ""},
		{"within, to the edge", `{"sequence":{"steps":[{"name":"E"},{"name":"F"}],"within":"P1D"}}`, "2026-11-22", []happening{e("2026-11-01"), f("2026-11-02")}, true, ""},
		{"within, over the edge", `{"sequence":{"steps":[{"name":"E"},{"name":"F"}],"within":"P1D"}}`, "2026-11-22", []happening{e("2026-11-01"), f("2026-11-02T00:00:00.001")}, false, ""},
		{"a later first is within", `{"sequence":{"steps":[{"name":"E"},{"name":"F"}],"within":"P1D"}}`, "2026-11-22", []happening{e("2026-11-01"), e("2026-11-02"), f("2026-11-03")}, true, ""},
		{"without between", `{"sequence":{"steps":[{"name":"E"},{"name":"F"}],"without":[{"name":"G"}]}}`, "2026-11-22", []happening{e("2026-11-01"), {name: "G", at: "2026-11-02"}, f("2026-11-03")}, false, ""},
		{"without before and after", `{"sequence":{"steps":[{"name":"E"},{"name":"F"}],"without":[{"name":"G"}]}}`, "2026-11-22", []happening{{name: "G", at: "2026-10-02"}, e("2026-11-01"), f("2026-11-03"), {name: "G", at: "2026-11-04"}}, true, ""},
		{"the last is not between", `{"sequence":{"steps":[{"name":"E"},{"name":"F"}],"without":[{"name":"F"}]}}`, "2026-11-22", []happening{e("2026-11-01"), f("2026-11-03")}, true, ""},
		{"an earlier one is without", `{"sequence":{"steps":[{"name":"E"},{"name":"F"}],"without":[{"name":"G"}],"within":"P1D"}}`, "2026-11-22", []happening{e("2026-11-01"), f("2026-11-02"), e("2026-11-03"), {name: "G", at: "2026-11-04"}, f("2026-11-05")}, true, ""},
		{"until its first leaves", `{"sequence":{"steps":[{"name":"E"},{"name":"F"}],"window":{"last":"P30D"}}}`, "2026-11-22", []happening{e("2026-11-01"), e("2026-11-04"), f("2026-11-05")}, true, "2026-12-04"},
		{"its first has left", `{"sequence":{"steps":[{"name":"E"},{"name":"F"}],"window":{"last":"P30D"}}}`, "2026-11-22", []happening{e("2026-10-01"), f("2026-11-05")}, false, ""},
		{"its last is to come", `{"sequence":{"steps":[{"name":"E"},{"name":"F"}]}}`, "2026-11-22", []happening{e("2026-10-01"), f("2026-12-05")}, false, "2026-12-05"},
		// Messages and predictions are system events; a client's of the same name are not.
		{"opened", `{"message":{"status":"OPENED","campaignId":"c1","window":{"last":"P7D"}}}`, "2026-11-22", []happening{{name: "Message Opened", at: "2026-11-20", system: true, properties: `{"campaignId":"c1"}`}}, true, "2026-11-27"},
		{"opened, says a client", `{"message":{"status":"OPENED"}}`, "2026-11-22", []happening{{name: "Message Opened", at: "2026-11-20"}}, false, ""},
		{"predicted", `{"prediction":{"path":"churn","gte":0.8}}`, "2026-11-22", []happening{predicted("2026-11-01", `0.9`), predicted("2026-10-01", `0.1`)}, true, ""},
		{"predicted otherwise soon", `{"prediction":{"path":"churn","gte":0.8}}`, "2026-11-22", []happening{predicted("2026-11-01", `0.9`), predicted("2026-12-01", `0.1`)}, true, "2026-12-01"},
		{"insufficient data", `{"prediction":{"path":"churn","gte":0.8}}`, "2026-11-22", []happening{predicted("2026-11-01", `0.9`), predicted("2026-11-02", `null`)}, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := program(t, c.condition, Zone{})
			now := instantIn(t, c.now)
			expect(t, p, (&known{}).seen(t, p, now, c.events...), now, c.want, c.next)
			flipped := program(t, `{"not":`+c.condition+`}`, Zone{})
			expect(t, flipped, (&known{}).seen(t, flipped, now, c.events...), now, !c.want, c.next)
		})
	}
}

func predicted(at, value string) happening {
	return happening{name: PredictionComputed, at: at, system: true, properties: `{"name":"churn","value":` + value + `}`}
}

// When junctions change: a conjunction that does not hold waits for the last part.
func TestJunctions(t *testing.T) {
	in := func(name, period string) string {
		return `{"event":{"name":"` + name + `","window":{"last":"` + period + `"}}}`
	}
	not := func(s string) string { return `{"not":` + s + `}` }
	e, f := in("E", "P7D"), in("F", "P3D") // leave on 29 and on 25 November
	yes, no := `{"bucket":{"salt":"","from":0,"to":10000}}`, not(`{"bucket":{"salt":"","from":0,"to":10000}}`)
	for _, c := range []struct {
		condition string
		want      bool
		next      string
	}{
		{`{"and":[` + e + `,` + f + `]}`, true, "2026-11-25"},
		{`{"or":[` + e + `,` + f + `]}`, true, "2026-11-29"},
		{`{"and":[` + not(e) + `,` + not(f) + `]}`, false, "2026-11-29"},
		{`{"or":[` + not(e) + `,` + not(f) + `]}`, false, "2026-11-25"},
		{`{"and":[` + not(e) + `,` + f + `]}`, false, "2026-11-29"},
		{`{"and":[` + e + `,` + no + `]}`, false, ""},
		{`{"or":[` + not(e) + `,` + yes + `]}`, true, ""},
		{`{"and":[` + e + `,` + yes + `]}`, true, "2026-11-29"},
		{`{"or":[` + e + `,` + no + `]}`, true, "2026-11-29"},
		{`{"or":[{"and":[` + e + `,` + f + `]},` + no + `]}`, true, "2026-11-25"},
	} {
		p := program(t, c.condition, Zone{})
		now := instantIn(t, "2026-11-23")
		k := (&known{}).seen(t, p, now, happening{name: "E", at: "2026-11-22"}, happening{name: "F", at: "2026-11-22"})
		expect(t, p, k, now, c.want, c.next)
	}
}

func TestMemberships(t *testing.T) {
	const id = "seg_00000000000000000000000001"
	in := &known{members: map[string]time.Time{id: instantIn(t, "2026-11-01")}}
	now := instantIn(t, "2026-11-22")
	expect(t, program(t, `{"segment":{"id":"`+id+`"}}`, Zone{}), in, now, true, "")
	expect(t, program(t, `{"list":{"id":"`+id+`"}}`, Zone{}), &known{}, now, false, "")
	expect(t, program(t, `{"segment":{"id":"`+id+`","entered":{"last":"P30D"}}}`, Zone{}), in, now, true, "2026-12-01")
	expect(t, program(t, `{"segment":{"id":"`+id+`","entered":{"ago":{"from":"P60D","to":"P30D"}}}}`, Zone{}), in, now, false, "2026-12-01")
	expect(t, program(t, `{"list":{"id":"`+id+`","entered":{"last":"P7D"}}}`, Zone{}), in, now, false, "")
	expect(t, program(t, `{"list":{"id":"`+id+`","entered":{"last":"P7D"}}}`, Zone{}), &known{}, now, false, "")
}

func TestRecords(t *testing.T) {
	k := &known{}
	for _, r := range []string{`{"plan":"gold","renews":"2026-11-25","seats":1}`, `{"plan":"gold","renews":"2026-12-25","seats":5}`, `{"plan":"free"}`} {
		k.records = append(k.records, document(t, r))
	}
	now := instantIn(t, "2026-11-22")
	for _, c := range []struct {
		condition string
		records   *known
		want      bool
		next      string
	}{
		{`"where":[{"path":"plan","eq":"gold"}]`, k, true, ""},
		{`"match":"ALL","where":[{"path":"plan","eq":"gold"}]`, k, false, ""},
		{`"match":"ALL","where":[{"path":"plan","exists":true}]`, k, true, ""},
		{`"match":"ALL","where":[{"path":"plan","exists":true}]`, &known{}, false, ""},
		{`"match":"NONE","where":[{"path":"plan","eq":"silver"}]`, k, true, ""},
		{`"match":"NONE"`, &known{}, true, ""},
		{`"match":"NONE"`, k, false, ""},
		{`"count":{"eq":2},"where":[{"path":"plan","eq":"gold"}]`, k, true, ""},
		{`"count":{"lt":2},"where":[{"path":"plan","eq":"gold"}]`, k, false, ""},
		{`"count":{"eq":0}`, &known{}, true, ""},
		// One record meets all predicates.
		{`"where":[{"path":"seats","gt":1},{"path":"renews","before":"2026-12-01T00:00:00Z"}]`, k, false, ""},
		{`"where":[{"path":"renews","within":{"next":"P7D"}}]`, k, true, "2026-11-25"},
		{`"where":[{"path":"renews","within":{"next":"P7D"}},{"path":"plan","eq":"gold"}]`, k, true, "2026-11-25"},
		{`"count":{"gte":2},"where":[{"path":"renews","within":{"next":"P7D"}}]`, k, false, "2026-11-25"},
	} {
		expect(t, program(t, `{"object":{"type":"subscription",`+c.condition+`}}`, Zone{}), c.records, now, c.want, c.next)
	}
}

func TestConsentBucketAndPlace(t *testing.T) {
	now := instantIn(t, "2026-11-22")
	k := &known{id: "prof_1", consents: map[string]string{"marketing/EMAIL": "GRANTED", "marketing/": "WITHDRAWN"}}
	expect(t, program(t, `{"consent":{"purpose":"marketing","channel":"EMAIL","status":"GRANTED"}}`, Zone{}), k, now, true, "")
	expect(t, program(t, `{"consent":{"purpose":"marketing","status":"GRANTED"}}`, Zone{}), k, now, false, "")
	expect(t, program(t, `{"consent":{"purpose":"analytics","status":"UNKNOWN"}}`, Zone{}), k, now, true, "")
	for value, want := range map[string]bool{
		`{"lat":44.4268,"lon":26.1025}`: true, `{"latitude":44.4268,"lng":26.1025}`: true, `{"lat":46.7712,"lon":23.6236}`: false, // Cluj is 324 km away
		`{"lat":"44.4","lon":26.1}`: false, `{"lat":444,"lon":26.1}`: false, `[{"lat":0,"lon":0},{"lat":44.4,"lon":26.1}]`: true, `"Bucharest"`: false, `null`: false,
	} {
		k.doc = document(t, `{"home":{"place":`+value+`}}`)
		expect(t, program(t, `{"geo":{"path":"home.place","lat":44.4325,"lon":26.1039,"radiusKm":10}}`, Zone{}), k, now, want, "")
	}
	berlin, paris := point{52.5200 * 0.017453292519943295, 13.4050 * 0.017453292519943295}, point{48.8566 * 0.017453292519943295, 2.3522 * 0.017453292519943295}
	if km := berlin.km(paris); km < 877 || km > 878.5 {
		t.Errorf("Berlin is %f km from Paris", km)
	}
}
