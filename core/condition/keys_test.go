package condition

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func ledgersOf(t *testing.T, text string) []*LedgerSpec {
	t.Helper()
	n, err := ParseJSON([]byte(text))
	require.NoError(t, err, text)
	return Ledgers(n)
}

func TestLedgers(t *testing.T) {
	days := func(n int) time.Duration { return time.Duration(n) * oneDay }
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		in    string
		kinds []LedgerKind
		keep  Keep
	}{
		{`{"event":{"name":"E"}}`, []LedgerKind{Times}, Keep{Total: true}},
		{`{"event":{"name":"E","window":{"last":"P30D"}}}`, []LedgerKind{Times}, Keep{For: days(30), Latest: 2}},
		{`{"event":{"name":"E","count":{"gte":3},"window":{"last":"P30D"}}}`, []LedgerKind{Times}, Keep{For: days(30), Latest: 4}},
		{`{"event":{"name":"E","count":{"gt":2,"lte":7},"window":{"last":"P1M"}}}`, []LedgerKind{Times}, Keep{For: days(32), Latest: 9}},
		{`{"event":{"name":"E","count":{"eq":0},"window":{"calendar":"DAY"}}}`, []LedgerKind{Times}, Keep{For: days(2), Latest: 2}},
		{`{"event":{"name":"E","window":{"calendar":"YEAR"}}}`, []LedgerKind{Times}, Keep{For: days(367), Latest: 2}},
		{`{"event":{"name":"E","window":{"ago":{"from":"P30D","to":"P7D"}}}}`, []LedgerKind{Times}, Keep{For: days(30)}},
		{`{"event":{"name":"E","window":{"between":{"from":"2026-01-01T00:00:00Z","to":"2026-02-01T00:00:00Z"}}}}`, []LedgerKind{Times}, Keep{From: from}},
		{`{"firstTime":{"name":"E","window":{"last":"P7D"}}}`, []LedgerKind{Times}, Keep{Total: true}},
		{`{"stopped":{"name":"E","window":{"last":"P90D"}}}`, []LedgerKind{Times}, Keep{For: days(90), Latest: 2, Total: true}},
		{`{"stopped":{"name":"E","window":{"ago":{"from":"P90D","to":"P30D"}}}}`, []LedgerKind{Times}, Keep{For: days(90), Total: true}},
		{`{"event":{"name":"E","count":{"gte":0},"window":{"last":"P1D"}}}`, []LedgerKind{Times}, Keep{For: days(1), Latest: 1}},
		{`{"lastEvent":{"name":"E","where":[{"path":"p","eq":1}],"window":{"last":"P90D"}}}`, []LedgerKind{Latest}, Keep{Latest: 1}},
		{`{"aggregate":{"event":{"name":"E","window":{"last":"P7D"}},"fn":"SUM","path":"p","value":{"gt":1}}}`, []LedgerKind{Numbers}, Keep{For: days(7)}},
		{`{"aggregate":{"event":{"name":"E"},"fn":"DISTINCT","path":"p","value":{"gt":1}}}`, []LedgerKind{Values}, Keep{Total: true}},
		{`{"aggregate":{"event":{"name":"E"},"fn":"COUNT","value":{"gt":1}}}`, []LedgerKind{Times}, Keep{Total: true}},
		{`{"sequence":{"steps":[{"name":"A"},{"name":"B"}],"without":[{"name":"C"}]}}`, []LedgerKind{Times, Times, Times}, Keep{All: true}},
		{`{"sequence":{"steps":[{"name":"A"},{"name":"B"}],"window":{"last":"P7D"}}}`, []LedgerKind{Times, Times}, Keep{For: days(7)}},
		{`{"message":{"status":"OPENED","window":{"last":"P7D"}}}`, []LedgerKind{Times}, Keep{For: days(7), Latest: 2}},
		{`{"prediction":{"path":"churn","gt":0.5}}`, []LedgerKind{Last}, Keep{Latest: 1}},
		{`{"trait":{"path":"p","eq":1}}`, nil, Keep{}},
		{`{"and":[{"event":{"name":"E"}}]}`, nil, Keep{}},
	} {
		got := ledgersOf(t, c.in)
		require.Len(t, got, len(c.kinds), c.in)
		for i, s := range got {
			assert.Equal(t, c.kinds[i], s.Kind, c.in)
			assert.Equal(t, c.keep, s.Keep, c.in)
			assert.Len(t, s.Key, 16)
		}
	}
	message := ledgersOf(t, `{"message":{"status":"CLICKED","campaignId":"c","nodeId":"n"}}`)[0]
	require.True(t, message.System)
	require.Equal(t, "Message Clicked", message.Event)
	require.Len(t, message.Where, 2)
	prediction := ledgersOf(t, `{"prediction":{"path":"churn","gt":0.5}}`)[0]
	require.Equal(t, "value", prediction.Path)
	require.Equal(t, Operator{Eq, "churn"}, prediction.Where[0].Operators[0])
	require.True(t, ledgersOf(t, `{"event":{"name":"Profile Merged"}}`)[0].System)
	sequence := ledgersOf(t, `{"sequence":{"steps":[{"name":"A"},{"name":"B"}],"without":[{"name":"C"}]}}`)
	for i, name := range []string{"A", "B", "C"} {
		require.Equal(t, name, sequence[i].Event)
		require.True(t, sequence[i].IDs)
	}
	counted := ledgersOf(t, `{"aggregate":{"event":{"name":"E","where":[{"path":"a","eq":1}]},"fn":"COUNT","path":"p","value":{"gt":1}}}`)[0]
	require.Len(t, counted.Where, 2, "an event without a value at the path does not count")
}

// TestKeys: what asks the same shares a ledger; what asks something else does not.
func TestKeys(t *testing.T) {
	key := func(where string) string { return ledgersOf(t, `{"event":{"name":"E","where":[`+where+`]}}`)[0].Key }
	base := key(`{"path":"a","gte":50},{"path":"b","in":["x","y"]}`)
	for _, same := range []string{
		`{"path":"b","in":["y","x"]},{"path":"a","gte":50}`,
		`{"path":"b","in":["y","x","x"]},{"path":"a","gte":50.00}`,
		`{"path":"b","in":["x","y"]},{"gte":5e1,"path":"a"},{"path":"a","gte":50,"missing":"EXCLUDE"}`,
	} {
		require.Equal(t, base, key(same), same)
	}
	seen := map[string]string{base: "base"}
	for _, other := range []string{
		``, `{"path":"a","gte":50}`, `{"path":"a","gt":50}`, `{"path":"a","gte":"50"}`, `{"path":"a","gte":51}`, `{"path":"a","gte":500}`, `{"path":"c","gte":50}`,
		`{"path":"a","gte":50,"missing":"INCLUDE"}`, `{"path":"a","any":[{"path":"a","gte":50}]}`, `{"path":"a","all":[{"path":"a","gte":50}]}`,
		`{"path":"a","between":[1,2]}`, `{"path":"a","between":[2,12]}`, `{"path":"a","size":{"gte":2}}`, `{"path":"a","size":{"lte":2}}`,
	} {
		k := key(other)
		require.Empty(t, seen[k], "%s and %s", seen[k], other)
		seen[k] = other
	}
	require.Equal(t, key(`{"path":"a","size":{"gte":2}}`), key(`{"path":"a","size":{"gte":"2.0"}}`))
	require.Equal(t, key(`{"path":"a","any":[{"path":"b","eq":1},{"path":"c","eq":2}]}`), key(`{"path":"a","any":[{"path":"c","eq":2},{"path":"b","eq":1}]}`))

	all := map[string]string{}
	for _, in := range []string{
		`{"event":{"name":"E"}}`, `{"event":{"name":"F"}}`, `{"event":{"name":"Profile Merged"}}`, `{"lastEvent":{"name":"E"}}`,
		`{"aggregate":{"event":{"name":"E"},"fn":"SUM","path":"p","value":{"gt":1}}}`,
		`{"aggregate":{"event":{"name":"E"},"fn":"SUM","path":"q","value":{"gt":1}}}`,
		`{"aggregate":{"event":{"name":"E"},"fn":"SUM","path":"p","value":{"gt":1},"currency":"EUR"}}`,
		`{"aggregate":{"event":{"name":"E"},"fn":"DISTINCT","path":"p","value":{"gt":1}}}`,
		`{"aggregate":{"event":{"name":"E"},"fn":"COUNT","path":"p","value":{"gt":1}}}`,
		`{"message":{"status":"SENT"}}`, `{"message":{"status":"OPENED"}}`, `{"message":{"status":"SENT","nodeId":"x"}}`, `{"message":{"status":"SENT","campaignId":"x"}}`,
		`{"prediction":{"path":"a","gt":1}}`, `{"prediction":{"path":"b","gt":1}}`,
	} {
		k := ledgersOf(t, in)[0].Key
		require.Empty(t, all[k], "%s and %s", all[k], in)
		all[k] = in
	}
	require.Equal(t, ledgersOf(t, `{"event":{"name":"E","count":{"gte":5},"window":{"last":"P1D"}}}`)[0].Key, ledgersOf(t, `{"firstTime":{"name":"E"}}`)[0].Key)
	require.Equal(t, ledgersOf(t, `{"aggregate":{"event":{"name":"E"},"fn":"AVG","path":"p","value":{"gt":1}}}`)[0].Key,
		ledgersOf(t, `{"aggregate":{"event":{"name":"E","window":{"last":"P1D"}},"fn":"MAX","path":"p","value":{"lt":9}}}`)[0].Key)
}

// drawKeep draws what a condition may demand of a ledger of kind Latest or Last
// (single) or of another kind.
func drawKeep(t *rapid.T, single bool) Keep {
	if single {
		return Keep{Latest: rapid.IntRange(0, 1).Draw(t, "latest")}
	}
	k := Keep{
		For: time.Duration(rapid.IntRange(0, 3).Draw(t, "for")) * oneDay, Latest: rapid.IntRange(0, 3).Draw(t, "latest"),
		Total: rapid.Bool().Draw(t, "total"), All: rapid.IntRange(0, 4).Draw(t, "all") == 0,
	}
	if k.For == 0 {
		k.Latest = 0
	}
	if n := rapid.Int64Range(0, 3).Draw(t, "from"); n > 0 {
		k.From = time.UnixMilli(n).UTC()
	}
	return k
}

// demands tells whether a ledger kept by k needs an entry that is so old, so many
// latest ones away and at so many milliseconds.
func demands(k Keep, age time.Duration, rank int, at int64) bool {
	within := k.For > 0 && age < k.For && (k.Latest == 0 || rank <= k.Latest)
	single := k.For == 0 && rank <= k.Latest
	return k.All || within || single || !k.From.IsZero() && at >= k.From.UnixMilli()
}

// TestKeep: what two keeps demand is in their merger, and Covers says of no keep
// that it holds another's when it does not.
func TestKeep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		single := rapid.IntRange(0, 4).Draw(t, "single") == 0
		a, b := drawKeep(t, single), drawKeep(t, single)
		m := MergeKeep(a, b)
		require.Equal(t, m, MergeKeep(b, a))
		require.Equal(t, m, MergeKeep(m, a))
		require.True(t, m.Covers(a) && m.Covers(b) && a.Covers(a), "%+v", m)
		require.Equal(t, a.Total || b.Total, m.Total)
		require.Equal(t, a, MergeKeep(a, Keep{}))
		covered := true
		for age := range 4 {
			for rank := 1; rank < 5; rank++ {
				for at := range int64(4) {
					d := time.Duration(age) * oneDay
					require.True(t, demands(m, d, rank, at) || !demands(a, d, rank, at) && !demands(b, d, rank, at), "%+v %d %d %d", m, age, rank, at)
					covered = covered && (demands(a, d, rank, at) || !demands(b, d, rank, at))
				}
			}
		}
		if a.Covers(b) {
			require.True(t, covered && (a.Total || !b.Total), "%+v %+v", a, b)
		}
	})
}
