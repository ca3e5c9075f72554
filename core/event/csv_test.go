package event_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

func rows(t testing.TB, r event.Rows) []event.Row {
	t.Helper()
	var out []event.Row
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		out = append(out, row)
	}
}

func csvOptions(mapping map[string]string) event.CSVOptions {
	return event.CSVOptions{FileOptions: event.FileOptions{ReceivedAt: receipt, IDPrefix: "file"}, Mapping: mapping}
}

func readCSV(t *testing.T, text string, mapping map[string]string) []event.Row {
	t.Helper()
	c, err := event.NewCSV(strings.NewReader(text), csvOptions(mapping))
	require.NoError(t, err)
	return rows(t, c)
}

func TestCSVRowsBecomeEvents(t *testing.T) {
	got := readCSV(t, "\xef\xbb\xbfid,email, city ,when,total,n,vip,born,extra,ignored\r\n"+
		"u1,ana@example.com,Cluj,2026-01-02 03:04:05,12.50,+007,yes,1990-05-06,\"{\"\"a\"\":[1]}\",x\r\n"+
		"u2,,,,,,,,,\n",
		map[string]string{"id": "userId", "email": "traits.email", "city": "traits.address.city", "when": "timestamp", "total": "traits.total:number",
			"n": "traits.n:integer", "vip": "traits.vip:boolean", "born": "traits.born:datetime", "extra": "traits.extra:json"})
	require.Len(t, got, 2)
	in := got[0].Input
	require.Nil(t, in.Err)
	assert.Equal(t, event.Identify, in.Type)
	assert.Equal(t, "u1", in.UserID)
	assert.Equal(t, "file:2", in.MessageID)
	assert.Equal(t, "2026-01-02T03:04:05Z", in.Timestamp.Format("2006-01-02T15:04:05Z07:00"))
	assert.JSONEq(t, `{"email":"ana@example.com","address":{"city":"Cluj"},"total":12.5,"n":7,"vip":true,"born":"1990-05-06T00:00:00Z","extra":{"a":[1]}}`, jsonOf(t, in.Traits))
	require.Nil(t, got[1].Input.Err)
	assert.Nil(t, got[1].Input.Traits, "empty cells are left out")
	assert.Equal(t, receipt, got[1].Input.Timestamp)
}

func TestCSVHeadersAsTargets(t *testing.T) {
	got := readCSV(t, "event,userId,messageId,properties.total:number,timestamp\nBought,u,m1,5,1700000000000\n", nil)
	require.Len(t, got, 1)
	in := got[0].Input
	require.Nil(t, in.Err)
	assert.Equal(t, event.Track, in.Type)
	assert.Equal(t, "m1", in.MessageID)
	assert.Equal(t, int64(1700000000000), in.Timestamp.UnixMilli())
	assert.Equal(t, `{"total":5}`, jsonOf(t, in.Properties))
	got = readCSV(t, "type,userId,event\npage,u,\ntrack,u,X\n,u,\n", nil)
	assert.Equal(t, event.Page, got[0].Input.Type)
	assert.Equal(t, event.Track, got[1].Input.Type)
	assert.Equal(t, event.ReasonTypeMissing, got[2].Input.Err.Reason)
}

func TestBadRowsCostTheOthersNothing(t *testing.T) {
	got := readCSV(t, "userId,traits.n:number,traits.a\n"+
		"u1,1,a\n"+ // 2
		"u2,1\n"+ // 3: ragged
		"u3,1,a,b\n"+ // 4: ragged
		"u4,x,a\n"+ // 5: no number
		"\n"+ // 6: empty
		"u5,1,a\"b\n"+ // 7: bare quote
		"u6,1,\"a\"b\n"+ // 8: text after a quote
		"u7,1,\"a\nb\"\"c\"\r\n"+ // 9 and 10
		"u8,1,\xff\n"+ // 11
		",1,a\n"+ // 12: nobody
		"u9,1,a\n"+ // 13
		"u10,1,\"open\nu11,1,a", nil) // 14: never closed; 15 is fine
	var reasons []string
	var lines []int64
	for _, r := range got {
		lines = append(lines, r.Line)
		if r.Input.Err == nil {
			reasons = append(reasons, r.Input.UserID)
			continue
		}
		reasons = append(reasons, r.Input.Err.Reason)
		assert.Contains(t, r.Input.Err.Message+" line 12", fmt.Sprint("line ", r.Line))
		assert.NotEmpty(t, r.Input.Raw)
		assert.NotContains(t, r.Input.Err.Message, "\"x\"")
	}
	assert.Equal(t, []string{"u1", event.ReasonRagged, event.ReasonRagged, event.ReasonCell, event.ReasonCSVSyntax, event.ReasonCSVSyntax,
		"u7", event.ReasonInvalidUTF8, event.ReasonUserMissing, "u9", event.ReasonCSVSyntax, "u11"}, reasons)
	assert.Equal(t, []int64{2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 14, 15}, lines)
	assert.Equal(t, `{"line":3,"cells":["u2","1"]}`, string(got[1].Input.Raw))
	assert.Equal(t, []string{"traits.n:number"}, got[3].Input.Err.Path)
	assert.JSONEq(t, `{"userId":"u4","traits":{"n":"x","a":"a"}}`, string(got[3].Input.Raw), "to be corrected as a message")
	assert.Equal(t, "{\"a\":\"a\\nb\\\"c\",\"n\":1}", canonical(t, got[6].Input.Traits))
}

func canonical(t *testing.T, raw []byte) string {
	v, err := event.FromJSON([]byte(jsonOf(t, raw)))
	require.Nil(t, err)
	a, _ := event.Lookup(v, "a")
	n, _ := event.Lookup(v, "n")
	x, _ := event.ValueToJSON(a)
	y, _ := event.ValueToJSON(n)
	return fmt.Sprintf(`{"a":%s,"n":%s}`, x, y)
}

func TestBadMappings(t *testing.T) {
	const header = "a,b,c\n"
	for name, c := range map[string]struct {
		text    string
		mapping map[string]string
	}{
		"unknown column":  {header, map[string]string{"x": "userId"}},
		"unknown target":  {header, map[string]string{"a": "user"}},
		"object itself":   {header, map[string]string{"a": "traits"}},
		"empty key":       {header, map[string]string{"a": "traits."}},
		"unknown type":    {header, map[string]string{"a": "userId:uuid"}},
		"same place":      {header, map[string]string{"a": "traits.x", "b": "traits.x"}},
		"part of another": {header, map[string]string{"a": "traits.x", "b": "traits.x.y"}},
		"whole of parts":  {header, map[string]string{"a": "traits.x.y", "b": "traits.x"}},
		"nothing":         {header, map[string]string{}},
		"headers":         {header, nil},
		"same header":     {"a,a\n", map[string]string{"a": "userId"}},
		"too deep":        {header, map[string]string{"a": "traits" + strings.Repeat(".x", 16)}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := event.NewCSV(strings.NewReader(c.text), csvOptions(c.mapping))
			assert.Equal(t, event.ReasonMapping, reason(t, err))
			assert.Equal(t, core.Invalid, core.CodeOf(err))
		})
	}
	for _, text := range []string{"", "\xef\xbb\xbf", "\"a\n"} {
		_, err := event.NewCSV(strings.NewReader(text), csvOptions(nil))
		assert.Equal(t, event.ReasonCSVSyntax, reason(t, err))
	}
	_, err := event.NewCSV(iotest.ErrReader(io.ErrClosedPipe), csvOptions(nil))
	assert.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestCSVGoesOnWhereItStopped(t *testing.T) {
	var b strings.Builder
	b.WriteString("\xef\xbb\xbfuserId,traits.a\r\n")
	for i := range 3000 {
		fmt.Fprintf(&b, "u%d,\"line one\nline \"\"two\"\" %s\"\n", i, strings.Repeat("x", i%97))
	}
	text := b.String()
	c, err := event.NewCSV(strings.NewReader(text), csvOptions(nil))
	require.NoError(t, err)
	all := rows(t, c)
	require.Len(t, all, 3000)
	for _, at := range []int{0, 1, 999, 2998, 2999} {
		for name, r := range map[string]io.Reader{"seeking": strings.NewReader(text), "reading": io.MultiReader(strings.NewReader(text)), "in bits": iotest.HalfReader(io.MultiReader(strings.NewReader(text)))} {
			o := csvOptions(nil)
			o.Start = all[at].Next
			c, err := event.NewCSV(r, o)
			require.NoError(t, err)
			rest := rows(t, c)
			require.Len(t, rest, 2999-at, name)
			for i, row := range rest {
				want := all[at+1+i]
				require.Equal(t, want.Line, row.Line)
				require.Equal(t, want.Next, row.Next)
				require.Equal(t, want.Input.MessageID, row.Input.MessageID)
				require.Equal(t, want.Input.Traits, row.Input.Traits)
			}
		}
	}
	assert.EqualValues(t, len(text), all[2999].Next.Offset)
	assert.EqualValues(t, 6001, all[2999].Next.Line)
}

func TestAnUnclosedQuoteInALargeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	text := "userId,traits.a\nu0,\"open\n" + strings.Repeat("u1,a\n", 400_000) + "u2,b\n"
	c, err := event.NewCSV(strings.NewReader(text), csvOptions(nil))
	require.NoError(t, err)
	n, bad := 0, 0
	for {
		row, err := c.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if n++; row.Input.Err != nil {
			bad++
		}
	}
	assert.Equal(t, 1, bad, "only the row with the open quote")
	assert.Equal(t, 400_002, n)

	text = "userId\n" + strings.Repeat("x", 3<<20) + "\nu1\n"
	got := readCSV(t, text, nil)
	require.Len(t, got, 2)
	assert.Equal(t, event.ReasonCSVSyntax, got[0].Input.Err.Reason)
	assert.Equal(t, "u1", got[1].Input.UserID)
	assert.EqualValues(t, 3, got[1].Line)
}

func TestNDJSON(t *testing.T) {
	text := "\xef\xbb\xbf{\"type\":\"track\",\"event\":\"x\",\"userId\":\"u\",\"timestamp\":\"2020-01-01T00:00:00Z\",\"sentAt\":\"2020-01-02T00:00:00Z\"}\r\n\n  \n{\"userId\":\"v\"}\nbad\n" +
		"{\"a\":\"" + strings.Repeat("x", 2<<20) + "\"}\n{\"type\":\"page\",\"userId\":\"w\",\"messageId\":\"own\"}"
	o := event.FileOptions{Type: event.Identify, ReceivedAt: receipt, IDPrefix: "f"}
	r, err := event.NewNDJSON(strings.NewReader(text), o)
	require.NoError(t, err)
	all := rows(t, r)
	require.Len(t, all, 5)
	assert.Equal(t, []int64{1, 4, 5, 6, 7}, []int64{all[0].Line, all[1].Line, all[2].Line, all[3].Line, all[4].Line})
	assert.Equal(t, event.Track, all[0].Input.Type, "the line knows its type")
	assert.Equal(t, 2020, all[0].Input.Timestamp.Year(), "history is not corrected")
	assert.Equal(t, event.Identify, all[1].Input.Type)
	assert.Equal(t, "f:4", all[1].Input.MessageID)
	assert.Equal(t, event.ReasonBadJSON, all[2].Input.Err.Reason)
	assert.Equal(t, event.ReasonMessageTooLarge, all[3].Input.Err.Reason)
	assert.LessOrEqual(t, len(all[3].Input.Raw), event.MaxBatch)
	assert.Equal(t, "own", all[4].Input.MessageID)
	assert.EqualValues(t, len(text), all[4].Next.Offset)
	for at := range all {
		for _, in := range []io.Reader{strings.NewReader(text), io.MultiReader(strings.NewReader(text))} {
			o.Start = all[at].Next
			r, err := event.NewNDJSON(in, o)
			require.NoError(t, err)
			rest := rows(t, r)
			require.Len(t, rest, 4-at)
			for i, row := range rest {
				assert.Equal(t, all[at+1+i].Line, row.Line)
				assert.Equal(t, all[at+1+i].Input.Raw, row.Input.Raw)
			}
		}
	}
}

func TestAReadersErrorIsNotARow(t *testing.T) {
	r, err := event.NewNDJSON(io.MultiReader(strings.NewReader("{\"userId\":\"u\"}\n"), iotest.ErrReader(io.ErrClosedPipe)), event.FileOptions{Type: event.Identify})
	if err == nil {
		_, err = r.Next()
		if err == nil {
			_, err = r.Next()
		}
	}
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	_, err = event.NewNDJSON(io.MultiReader(strings.NewReader("x")), event.FileOptions{Start: event.Position{Offset: 99}})
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
}
