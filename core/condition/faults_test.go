package condition

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
)

// told writes faults and warnings as "path REASON", the path with slashes.
func told(faults []*core.Error, warnings []Warning) (fs, ws []string) {
	for _, f := range faults {
		fs = append(fs, strings.Join(f.Path, "/")+" "+f.Reason)
	}
	for _, w := range warnings {
		ws = append(ws, strings.Join(w.Path, "/")+" "+w.Reason)
	}
	return fs, ws
}

func faultsOf(t *testing.T, text string, voc Vocabulary, o Options) (fs, ws []string) {
	t.Helper()
	v, err := decode([]byte(text))
	require.NoError(t, err, text)
	n, faults, warnings := Faults(v, voc, o)
	require.Equal(t, len(faults) == 0, n != nil)
	for _, f := range faults {
		require.Equal(t, core.Invalid, f.Code)
		require.NotEmpty(t, f.Message)
	}
	return told(faults, warnings)
}

func traitWith(rest string) string { return `{"trait":{"path":"p",` + rest + `}}` }

func eventWith(rest string) string { return `{"event":{"name":"E",` + rest + `}}` }

func stepsOf(n int) string {
	return strings.TrimSuffix(strings.Repeat(`{"name":"E"},`, n), ",")
}

func TestFaults(t *testing.T) {
	long := strings.Repeat("x", 201)
	many := "[" + strings.TrimSuffix(strings.Repeat("1,", MaxList+1), ",") + "]"
	for _, c := range []struct{ in, want string }{
		// The shape of nodes.
		{`"x"`, ` WRONG_TYPE`},
		{`null`, ` WRONG_TYPE`},
		{`{}`, ` ONE_KEY`},
		{`{"and":null,"or":null}`, ` ONE_KEY`},
		{`{"trait":{"path":"p","eq":1},"event":{"name":"E"}}`, ` ONE_KEY`},
		{`{"trait":{"path":"p"},"event":{"name":""}}`, ` ONE_KEY; trait NO_OPERATOR; event/name BAD_NAME`},
		{`{"evnet":{"name":"E"}}`, `evnet UNKNOWN_KEY`},
		{`{"and":[]}`, `and EMPTY`},
		{`{"or":[]}`, `or EMPTY`},
		{`{"and":[null]}`, `and/0 WRONG_TYPE`},
		{`{"and":[{"not":{}}]}`, `and/0/not ONE_KEY`},
		{`{"field":{"path":"p","eq":1}}`, `field NOT_ALLOWED`},
		// Paths and operators.
		{`{"trait":[]}`, `trait WRONG_TYPE`},
		{`{"trait":{"eq":1}}`, `trait/path REQUIRED`},
		{`{"trait":{"path":"","eq":1}}`, `trait/path BAD_NAME`},
		{`{"trait":{"path":"a..b","eq":1}}`, `trait/path BAD_PATH`},
		{`{"trait":{"path":".a","eq":1}}`, `trait/path BAD_PATH`},
		{`{"trait":{"path":"a\\","eq":1}}`, `trait/path BAD_PATH`},
		{`{"trait":{"path":"` + strings.Repeat("a.", 20) + `a","eq":1}}`, `trait/path BAD_PATH`},
		{`{"trait":{"path":"` + long + `","eq":1}}`, `trait/path TOO_LONG`},
		{`{"trait":{"path":7,"eq":1}}`, `trait/path WRONG_TYPE`},
		{`{"trait":{"path":"p"}}`, `trait NO_OPERATOR`},
		{`{"trait":{"path":"p","missing":"INCLUDE","eq":null}}`, `trait NO_OPERATOR`},
		{traitWith(`"eq":1,"missing":"MAYBE"`), `trait/missing UNKNOWN_VALUE`},
		{traitWith(`"equals":1`), `trait/equals UNKNOWN_KEY`},
		{traitWith(`"eq":[1]`), `trait/eq BAD_OPERAND`},
		{traitWith(`"eq":1e101`), `trait/eq BAD_OPERAND`},
		{traitWith(`"eq":"` + strings.Repeat("x", MaxValue) + `"`), `trait/eq BAD_OPERAND`},
		{traitWith(`"eq":` + strings.Repeat(`{"a":`, 12) + `1` + strings.Repeat(`}`, 12)), `trait/eq BAD_OPERAND`},
		{traitWith(`"in":[]`), `trait/in EMPTY`},
		{traitWith(`"notIn":[]`), `trait/notIn EMPTY`},
		{traitWith(`"in":[1,null,[2]]`), `trait/in/1 BAD_OPERAND; trait/in/2 BAD_OPERAND`},
		{traitWith(`"in":` + many), `trait/in TOO_LONG`},
		{traitWith(`"gt":true`), `trait/gt BAD_OPERAND`},
		{traitWith(`"gte":{"amount":5}`), `trait/gte BAD_OPERAND`},
		{traitWith(`"lt":{"amount":5,"currency":"eur"}`), `trait/lt BAD_OPERAND`},
		{traitWith(`"lte":[5]`), `trait/lte BAD_OPERAND`},
		{traitWith(`"between":[1]`), `trait/between BAD_OPERAND`},
		{traitWith(`"between":5`), `trait/between BAD_OPERAND`},
		{traitWith(`"between":[1,"2"]`), `trait/between BAD_OPERAND`},
		{traitWith(`"between":[2,1]`), `trait/between IMPOSSIBLE_RANGE`},
		{traitWith(`"between":[1,false]`), `trait/between/1 BAD_OPERAND`},
		{traitWith(`"between":[{"amount":1,"currency":"EUR"},{"amount":2,"currency":"RON"}]`), `trait/between BAD_OPERAND`},
		{traitWith(`"contains":["a"]`), `trait/contains BAD_OPERAND`},
		{traitWith(`"contains":{"a":1}`), `trait/contains BAD_OPERAND`},
		{traitWith(`"contains":""`), `trait/contains BAD_OPERAND`},
		{traitWith(`"startsWith":5`), `trait/startsWith WRONG_TYPE`},
		{traitWith(`"endsWith":""`), `trait/endsWith BAD_OPERAND`},
		{traitWith(`"startsWith":"` + strings.Repeat("x", MaxText+1) + `"`), `trait/startsWith TOO_LONG`},
		{traitWith(`"exists":"true"`), `trait/exists BAD_OPERAND`},
		{traitWith(`"matches":"("`), `trait/matches BAD_REGEXP`},
		{traitWith(`"matches":""`), `trait/matches BAD_REGEXP`},
		{traitWith(`"matches":"(?=a)"`), `trait/matches BAD_REGEXP`},
		{traitWith(`"matches":"(a{1000}){1000}"`), `trait/matches BAD_REGEXP`},
		{traitWith(`"matches":"((a{9}){9}){9}"`), `trait/matches BAD_REGEXP`},
		{traitWith(`"matches":"a{1001}"`), `trait/matches BAD_REGEXP`},
		{traitWith(`"matches":"` + strings.Repeat("a", 257) + `"`), `trait/matches TOO_LONG`},
		{traitWith(`"before":"2026-01-01"`), `trait/before BAD_TIME`},
		{traitWith(`"after":"2026-02-30T00:00:00Z"`), `trait/after BAD_TIME`},
		{traitWith(`"after":"0001-01-01T00:00:00Z"`), `trait/after BAD_TIME`},
		{traitWith(`"within":{}`), `trait/within ONE_KEY`},
		{traitWith(`"within":{"past":"P1D","next":"P1D"}`), `trait/within ONE_KEY`},
		{traitWith(`"within":{"past":"P0D"}`), `trait/within/past BAD_DURATION`},
		{traitWith(`"within":{"paste":"P1D"}`), `trait/within/paste UNKNOWN_KEY`},
		{traitWith(`"olderThan":"-P1D"`), `trait/olderThan BAD_DURATION`},
		{traitWith(`"olderThan":30`), `trait/olderThan WRONG_TYPE`},
		{traitWith(`"anniversary":{"next":"P2Y"}`), `trait/anniversary BAD_DURATION`},
		// Elements of arrays.
		{traitWith(`"any":[]`), `trait/any EMPTY`},
		{traitWith(`"any":[{"path":"","eq":1},{"path":"q"}]`), `trait/any/1 NO_OPERATOR`},
		{traitWith(`"any":[{"path":"a","any":[{"path":"b","any":[{"path":"c","any":[{"path":"d","eq":1}]}]}]}]`), `trait/any/0/any/0/any/0/any TOO_DEEP`},
		{traitWith(`"size":{}`), `trait/size EMPTY`},
		{traitWith(`"size":{"gte":-1}`), `trait/size/gte BAD_NUMBER`},
		// Contradictions.
		{traitWith(`"gt":5,"lt":3`), `trait CONTRADICTION`},
		{traitWith(`"gt":5,"lte":5.0`), `trait CONTRADICTION`},
		{traitWith(`"eq":5,"gte":6`), `trait CONTRADICTION`},
		{traitWith(`"gte":"b","lt":"a"`), `trait CONTRADICTION`},
		{traitWith(`"gt":5,"lt":"9"`), `trait CONTRADICTION`},
		{traitWith(`"gt":{"amount":"5","currency":"EUR"},"lt":{"amount":9,"currency":"RON"}`), `trait CONTRADICTION`},
		{traitWith(`"between":[1,3],"gt":3`), `trait CONTRADICTION`},
		{traitWith(`"gt":5,"startsWith":"a"`), `trait CONTRADICTION`},
		{traitWith(`"exists":false,"eq":1`), `trait CONTRADICTION`},
		{traitWith(`"exists":true,"missing":"INCLUDE"`), `trait CONTRADICTION`},
		{traitWith(`"before":"2026-01-01T00:00:00Z","after":"2026-01-01T00:00:00Z"`), `trait CONTRADICTION`},
		{traitWith(`"within":{"past":"P30D"},"olderThan":"P30D"`), `trait CONTRADICTION`},
		{traitWith(`"within":{"next":"P30D"},"olderThan":"P1D"`), `trait CONTRADICTION`},
		// Events.
		{`{"event":{}}`, `event/name REQUIRED`},
		{`{"event":{"name":" "}}`, `event/name BAD_NAME`},
		{eventWith(`"filter":[]`), `event/filter UNKNOWN_KEY`},
		{eventWith(`"where":[{"path":"a","gte":true},{"eq":1}]`), `event/where/0/gte BAD_OPERAND; event/where/1/path REQUIRED`},
		{eventWith(`"where":[{"path":"a","within":{"past":"P1D"}},{"path":"b","any":[{"path":"c","olderThan":"P1D"}]}]`),
			`event/where/0/within RELATIVE_TO_NOW; event/where/1/any/0/olderThan RELATIVE_TO_NOW`},
		{eventWith(`"count":{}`), `event/count EMPTY`},
		{eventWith(`"count":3`), `event/count WRONG_TYPE`},
		{eventWith(`"count":{"gte":1.5}`), `event/count/gte BAD_NUMBER`},
		{eventWith(`"count":{"gte":-1}`), `event/count/gte BAD_NUMBER`},
		{eventWith(`"count":{"gte":"x"}`), `event/count/gte BAD_NUMBER`},
		{eventWith(`"count":{"gte":5,"lt":3}`), `event/count IMPOSSIBLE_RANGE`},
		{eventWith(`"count":{"gt":2,"lt":3}`), `event/count IMPOSSIBLE_RANGE`},
		{eventWith(`"count":{"lt":0}`), `event/count IMPOSSIBLE_RANGE`},
		{eventWith(`"count":{"eq":1,"gte":2}`), `event/count IMPOSSIBLE_RANGE`},
		{`{"event":{"name":"Segment Entered"}}`, `event/name NOT_ALLOWED`},
		{`{"event":{"name":"List Left"}}`, `event/name NOT_ALLOWED`},
		{`{"firstTime":{"name":"E","count":{"gte":1}}}`, `firstTime/count NOT_ALLOWED`},
		{`{"lastEvent":{"name":"E","count":{"gte":1}}}`, `lastEvent/count NOT_ALLOWED`},
		{`{"stopped":{"name":"E"}}`, `stopped/window IMPOSSIBLE_WINDOW`},
		{`{"stopped":{"name":"E","window":{"allTime":true}}}`, `stopped/window IMPOSSIBLE_WINDOW`},
		// Windows.
		{eventWith(`"window":{}`), `event/window ONE_KEY`},
		{eventWith(`"window":{"last":"P1D","calendar":"DAY"}`), `event/window ONE_KEY`},
		{eventWith(`"window":{"last":"P0D"}`), `event/window/last BAD_DURATION`},
		{eventWith(`"window":{"last":"30 days"}`), `event/window/last BAD_DURATION`},
		{eventWith(`"window":{"last":"P101Y"}`), `event/window/last BAD_DURATION`},
		{eventWith(`"window":{"calendar":"FORTNIGHT"}`), `event/window/calendar UNKNOWN_VALUE`},
		{eventWith(`"window":{"allTime":false}`), `event/window/allTime IMPOSSIBLE_WINDOW`},
		{eventWith(`"window":{"between":{"from":"2026-01-02T00:00:00Z","to":"2026-01-01T00:00:00Z"}}`), `event/window/between IMPOSSIBLE_WINDOW`},
		{eventWith(`"window":{"between":{"from":"2026-01-02T00:00:00Z"}}`), `event/window/between/to REQUIRED`},
		{eventWith(`"window":{"ago":{"from":"P7D","to":"P30D"}}`), `event/window/ago IMPOSSIBLE_WINDOW`},
		{eventWith(`"window":{"ago":{"from":"P7D","to":"P1W"}}`), `event/window/ago IMPOSSIBLE_WINDOW`},
		{eventWith(`"window":{"ago":{"from":"P1M","to":"P30D"}}`), `event/window/ago IMPOSSIBLE_WINDOW`},
		{eventWith(`"window":{"ago":{"from":"P7D","to":"PT0S"}}`), `event/window/ago/to BAD_DURATION`},
		{eventWith(`"window":{"ago":{"to":"P7D"}}`), `event/window/ago/from REQUIRED`},
		// Sequences and aggregates.
		{`{"sequence":{}}`, `sequence/steps REQUIRED`},
		{`{"sequence":{"steps":[` + stepsOf(1) + `]}}`, `sequence/steps IMPOSSIBLE_RANGE`},
		{`{"sequence":{"steps":[` + stepsOf(11) + `]}}`, `sequence/steps IMPOSSIBLE_RANGE`},
		{`{"sequence":{"steps":[` + stepsOf(2) + `],"without":[` + stepsOf(11) + `]}}`, `sequence/without IMPOSSIBLE_RANGE`},
		{`{"sequence":{"steps":[{"name":"E","count":{"gte":2}},{"name":"E","window":{"last":"P1D"}}]}}`, `sequence/steps/0/count NOT_ALLOWED; sequence/steps/1/window NOT_ALLOWED`},
		{`{"sequence":{"steps":[` + stepsOf(2) + `],"within":"PT0S"}}`, `sequence/within BAD_DURATION`},
		{`{"aggregate":{}}`, `aggregate/event REQUIRED; aggregate/fn REQUIRED; aggregate/value REQUIRED`},
		{`{"aggregate":{"event":{"name":"E","count":{"gte":1}},"fn":"COUNT","value":{"gte":1}}}`, `aggregate/event/count NOT_ALLOWED`},
		{`{"aggregate":{"event":{"name":"E"},"fn":"MEDIAN","path":"p","value":{"gte":1}}}`, `aggregate/fn UNKNOWN_VALUE`},
		{`{"aggregate":{"event":{"name":"E"},"fn":"SUM","value":{"gte":1}}}`, `aggregate/path REQUIRED`},
		{`{"aggregate":{"event":{"name":"E"},"fn":"COUNT","value":{"gte":1.5}}}`, `aggregate/value/gte BAD_NUMBER`},
		{`{"aggregate":{"event":{"name":"E"},"fn":"SUM","path":"p","value":{"gt":1,"lt":1}}}`, `aggregate/value IMPOSSIBLE_RANGE`},
		{`{"aggregate":{"event":{"name":"E"},"fn":"COUNT","path":"p","value":{"gt":1},"currency":"EUR"}}`, `aggregate/currency NOT_ALLOWED`},
		{`{"aggregate":{"event":{"name":"E"},"fn":"SUM","path":"p","value":{"gt":1},"currency":"euro"}}`, `aggregate/currency BAD_NAME`},
		// What is not an event.
		{`{"object":{"type":"t","match":"SOME"}}`, `object/match UNKNOWN_VALUE`},
		{`{"object":{"type":"t","match":"ALL","count":{"gte":1}}}`, `object/match NOT_ALLOWED`},
		{`{"object":{"relation":"r"}}`, `object/type REQUIRED`},
		{`{"segment":{}}`, `segment/id REQUIRED`},
		{`{"segment":{"id":"prof_1"}}`, `segment/id BAD_NAME`},
		{`{"list":{"id":"seg_1","entered":{"last":"x"}}}`, `list/entered/last BAD_DURATION`},
		{`{"consent":{"purpose":"m"}}`, `consent/status REQUIRED`},
		{`{"consent":{"purpose":"m","channel":"FAX","status":"YES"}}`, `consent/channel UNKNOWN_VALUE; consent/status UNKNOWN_VALUE`},
		{`{"message":{"status":"READ"}}`, `message/status UNKNOWN_VALUE`},
		{`{"message":{"status":"SENT","campaignId":""}}`, `message/campaignId BAD_NAME`},
		{`{"prediction":{"path":"churn","startsWith":"a"}}`, `prediction/startsWith TYPE_MISMATCH`},
		{`{"prediction":{"path":"churn","eq":"high"}}`, `prediction/eq TYPE_MISMATCH`},
		{`{"prediction":{"path":"churn","size":{"gte":1}}}`, `prediction/size TYPE_MISMATCH`},
		{`{"bucket":{}}`, `bucket/from REQUIRED; bucket/to REQUIRED; bucket/salt REQUIRED`},
		{`{"bucket":{"salt":"s","from":5,"to":5}}`, `bucket IMPOSSIBLE_RANGE`},
		{`{"bucket":{"salt":"s","from":0,"to":10001}}`, `bucket/to BAD_NUMBER`},
		{`{"bucket":{"salt":"s","from":-1,"to":1.5}}`, `bucket/from BAD_NUMBER; bucket/to BAD_NUMBER`},
		{`{"geo":{"path":"p","lat":91,"lon":-181,"radiusKm":0}}`, `geo/lat IMPOSSIBLE_RANGE; geo/lon IMPOSSIBLE_RANGE; geo/radiusKm IMPOSSIBLE_RANGE`},
		{`{"geo":{"path":"p","lat":"north","lon":1}}`, `geo/lat BAD_NUMBER; geo/radiusKm REQUIRED`},
	} {
		fs, ws := faultsOf(t, c.in, nil, Options{})
		assert.Equal(t, c.want, strings.Join(fs, "; "), c.in)
		assert.Empty(t, ws)
	}
}

func TestFaultsLimits(t *testing.T) {
	deep := func(n int) string {
		return strings.Repeat(`{"not":`, n-1) + traitWith(`"eq":1`) + strings.Repeat(`}`, n-1)
	}
	fs, _ := faultsOf(t, deep(MaxDepth), nil, Options{})
	require.Empty(t, fs)
	fs, _ = faultsOf(t, deep(MaxDepth+1), nil, Options{})
	require.Equal(t, []string{strings.TrimSuffix(strings.Repeat("not/", MaxDepth), "/") + " TOO_DEEP"}, fs)

	wide := func(n int) string {
		return `{"and":[` + strings.TrimSuffix(strings.Repeat(traitWith(`"eq":1`)+",", n), ",") + `]}`
	}
	fs, _ = faultsOf(t, wide(MaxNodes-1), nil, Options{})
	require.Empty(t, fs)
	fs, _ = faultsOf(t, wide(MaxNodes), nil, Options{})
	require.Len(t, fs, 1)
	require.Contains(t, fs[0], "TOO_MANY_NODES")

	fs, _ = faultsOf(t, `{"and":[`+strings.TrimSuffix(strings.Repeat(`{},`, 100), ",")+`]}`, nil, Options{})
	require.Len(t, fs, MaxFaults)

	big := traitWith(`"in":["` + strings.Repeat(strings.Repeat("x", 4000)+`","`, 70) + `"]`)
	fs, _ = faultsOf(t, big, nil, Options{})
	require.Len(t, fs, 1)
	require.Contains(t, fs[0], "TOO_LONG")
}

// TestFaultsHostile: what is wrong in very many places costs no more than what is
// wrong in some.
func TestFaultsHostile(t *testing.T) {
	keys, nodes, wide := map[string]any{}, make([]any, 100_000), make([]any, 100_000)
	for i := range nodes {
		keys[fmt.Sprint("key", i)] = i
		nodes[i], wide[i] = map[string]any{"evnet": i}, []any{}
	}
	for _, v := range []any{keys, map[string]any{"and": nodes}, map[string]any{"trait": map[string]any{"path": "p", "eq": wide, "any": nodes}}} {
		start := time.Now()
		_, faults, _ := Faults(v, testTown(), Options{})
		require.NotEmpty(t, faults)
		require.LessOrEqual(t, len(faults), MaxFaults)
		require.Less(t, time.Since(start), 5*time.Second)
	}
}

// TestFaultsKeepValues: values may be personal, so that no message repeats one.
func TestFaultsKeepValues(t *testing.T) {
	const secret = "ana-secret"
	for _, in := range []string{
		traitWith(`"eq":["ana-secret"]`), traitWith(`"matches":"ana-secret("`), traitWith(`"before":"ana-secret"`), traitWith(`"olderThan":"ana-secret"`),
		traitWith(`"gt":"ana-secret","lt":"ana-secret"`), traitWith(`"missing":"ana-secret","eq":1`), `{"event":{"name":"E","count":{"gte":"ana-secret"}}}`,
		`{"segment":{"id":"ana-secret"}}`, traitWith(`"between":["ana-secret",1]`), `{"consent":{"purpose":"p","status":"ana-secret"}}`,
	} {
		v, err := decode([]byte(in))
		require.NoError(t, err)
		_, faults, _ := Faults(v, nil, Options{})
		require.NotEmpty(t, faults, in)
		for _, f := range faults {
			require.NotContains(t, f.Error(), secret, in)
		}
	}
}

func TestSuggestions(t *testing.T) {
	for in, want := range map[string]string{
		`{"evnet":{"name":"E"}}`:                   `"event"`,
		traitWith(`"startWith":"a"`):               `"startsWith"`,
		traitWith(`"eq":1,"missing":"INCLUDED"`):   `"INCLUDE"`,
		eventWith(`"window":{"calendar":"MONHT"}`): `"MONTH"`,
		`{"consent":{"purpose":"m","stat":"X"}}`:   `"status"`,
		`{"message":{"status":"OPEND"}}`:           `"OPENED"`,
		`{"sequence":{"step":[],"steps":[1,2,3]}}`: `"steps"`,
	} {
		v, err := decode([]byte(in))
		require.NoError(t, err)
		_, faults, _ := Faults(v, nil, Options{})
		require.True(t, slices.ContainsFunc(faults, func(f *core.Error) bool {
			return strings.Contains(f.Message, "did you mean "+want+"?")
		}), fmt.Sprint(in, faults))
	}
}
