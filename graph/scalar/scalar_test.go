package scalar

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
)

func written(m graphql.Marshaler) string {
	var b bytes.Buffer
	m.MarshalGQL(&b)
	return b.String()
}

func TestJSONKeepsNumbers(t *testing.T) {
	const text = `{"big":123456789012345678901234567890,"exp":1e400,"money":12.10,"nested":[0.1,{"n":-0}],"s":"<a&b>"}`
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	require.NoError(t, dec.Decode(&v))
	var j JSON
	require.NoError(t, j.UnmarshalGQL(v))
	require.Equal(t, text, string(j))
	require.Equal(t, text, written(j))
	require.Equal(t, "null", written(JSON(nil)))
	require.NoError(t, j.UnmarshalGQL(nil))
	require.True(t, j.IsNull())
	require.Error(t, j.UnmarshalGQL(func() {}))
}

func TestDecimal(t *testing.T) {
	for in, want := range map[any]Decimal{
		"12.50": "12.50", json.Number("0.1000"): "0.1000", int64(7): "7", "-1e5": "-1e5",
		"99999999999999999999999999999999": "99999999999999999999999999999999",
	} {
		var d Decimal
		require.NoError(t, d.UnmarshalGQL(in), in)
		require.Equal(t, want, d)
	}
	for _, in := range []any{"", "abc", "1.", ".5", "1e9999", true, nil, 1.5, "0x10", " 1"} {
		var d Decimal
		require.Error(t, d.UnmarshalGQL(in), in)
	}
	require.Equal(t, `"12.50"`, written(Decimal("12.50")))
}

func TestDateTime(t *testing.T) {
	at, err := UnmarshalDateTime("2026-11-21T10:30:00.5+01:00")
	require.NoError(t, err)
	require.Equal(t, `"2026-11-21T09:30:00.5Z"`, written(MarshalDateTime(at)))
	for _, in := range []any{"", "2026-11-21", "2026-11-21T10:30:00", int64(5), nil, "0000-01-01T00:00:00+01:00"} {
		_, err := UnmarshalDateTime(in)
		require.Error(t, err, in)
	}
	require.Equal(t, "null", written(MarshalDateTime(time.Time{})))
}

func TestDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"P1DT12H": 36 * time.Hour, "PT90S": 90 * time.Second, "P2W": 14 * 24 * time.Hour, "PT0.25S": 250 * time.Millisecond,
	} {
		d, err := UnmarshalDuration(in)
		require.NoError(t, err, in)
		require.Equal(t, want, d)
	}
	for _, in := range []any{"", "P", "PT", "P1DT", "P1Y", "P1M", "1D", int64(3), "PT-5S", "P999999WT99999999H"} {
		_, err := UnmarshalDuration(in)
		require.Error(t, err, in)
	}
	require.Equal(t, `"PT36H1M0.5S"`, written(MarshalDuration(36*time.Hour+time.Minute+500*time.Millisecond)))
	require.Equal(t, `"PT1.515S"`, written(MarshalDuration(1515*time.Millisecond)))
	require.Equal(t, `"PT20S"`, written(MarshalDuration(20*time.Second)))
	require.Equal(t, `"PT0S"`, written(MarshalDuration(0)))
}
