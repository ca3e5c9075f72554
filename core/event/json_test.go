package event_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
)

func TestNumbersKeepEveryDigit(t *testing.T) {
	for lit, want := range map[string]struct {
		t    bson.Type
		text string
	}{
		"0":                            {bson.TypeInt64, "0"},
		"-0":                           {bson.TypeInt64, "0"},
		"42":                           {bson.TypeInt64, "42"},
		"9007199254740993":             {bson.TypeInt64, "9007199254740993"},
		"9223372036854775807":          {bson.TypeInt64, "9223372036854775807"},
		"-9223372036854775808":         {bson.TypeInt64, "-9223372036854775808"},
		"9223372036854775808":          {bson.TypeDecimal128, "9223372036854775808"},
		"100000000000000000000":        {bson.TypeDouble, "100000000000000000000"},
		"1.5":                          {bson.TypeDouble, "1.5"},
		"1.0":                          {bson.TypeDouble, "1"},
		"0.1":                          {bson.TypeDouble, "0.1"},
		"129.90":                       {bson.TypeDouble, "129.9"},
		"1e3":                          {bson.TypeDouble, "1000"},
		"1E-7":                         {bson.TypeDouble, "1e-07"},
		"0e999999999":                  {bson.TypeDouble, "0"},
		"0.1234567890123456":           {bson.TypeDouble, "0.1234567890123456"},
		"0.12345678901234567":          {bson.TypeDouble, "0.12345678901234568"}, // replaced below
		"123456789.123456789123456789": {bson.TypeDecimal128, "123456789.123456789123456789"},
		"-0.0000000000000000000012345678901234567": {bson.TypeDecimal128, "-0.0000000000000000000012345678901234567"},
		"1234567890123456789012345678901234":       {bson.TypeDecimal128, "1234567890123456789012345678901234"},
		"1e400":                                    {bson.TypeDecimal128, "1E+400"},
		"5e-324":                                   {bson.TypeDouble, "5e-324"},
		"4.9e-324":                                 {bson.TypeDecimal128, "4.9E-324"},
	} {
		v, err := event.ValueFromJSON([]byte(lit))
		require.Nil(t, err, lit)
		out, fault := event.ValueToJSON(v)
		require.NoError(t, fault)
		if lit == "0.12345678901234567" {
			want.t, want.text = bson.TypeDecimal128, lit // no double's shortest text has these digits
		}
		assert.Equal(t, want.t.String(), v.Type.String(), lit)
		assert.Equal(t, want.text, string(out), lit)
		a, _ := new(big.Rat).SetString(lit)
		b, _ := new(big.Rat).SetString(string(out))
		if len(lit) < 60 && !strings.Contains(lit, "999999999") {
			assert.Zero(t, a.Cmp(b), lit)
		}
	}
	for _, lit := range []string{"12345678901234567890123456789012345", "1e6200", "1e-6200", "-1e1000000000000", "0.12345678901234567890123456789012345"} {
		_, err := event.ValueFromJSON([]byte(lit))
		require.NotNil(t, err, lit)
		assert.Equal(t, event.ReasonNumberRange, err.Reason)
	}
}

func TestFromJSONTakesGoValues(t *testing.T) {
	raw, err := event.FromJSON(map[string]any{"n": json.Number("12345678901234567890.12"), "i": 5, "s": "<a&b>", "l": []any{true, nil}})
	require.Nil(t, err)
	assert.Equal(t, `{"i":5,"l":[true,null],"n":12345678901234567890.12,"s":"<a&b>"}`, jsonOf(t, raw))
	_, err = event.FromJSON("text")
	assert.Equal(t, event.ReasonNotAnObject, err.Reason)
	_, err = event.FromJSON([]byte("\"\xff\""))
	assert.Equal(t, event.ReasonInvalidUTF8, err.Reason)
	_, err = event.FromJSON(map[string]any{"f": func() {}})
	assert.Equal(t, event.ReasonWrongType, err.Reason)
	again, err := event.FromJSON(raw)
	require.Nil(t, err)
	assert.Equal(t, raw, again)
}

func TestToJSONOfEveryType(t *testing.T) {
	dec, err := bson.ParseDecimal128("1.50")
	require.NoError(t, err)
	raw, err := bson.Marshal(bson.D{
		{Key: "t", Value: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)}, {Key: "i", Value: int32(7)}, {Key: "d", Value: dec},
		{Key: "b", Value: []byte{1, 2}}, {Key: "z", Value: nil}, {Key: "q", Value: "a\"\\\n\u0001\u2028"}, {Key: "e", Value: bson.D{}}, {Key: "a", Value: bson.A{}},
	})
	require.NoError(t, err)
	assert.Equal(t, `{"t":"2026-01-02T03:04:05.006Z","i":7,"d":1.50,"b":"AQI=","z":null,"q":"a\"\\\n\u0001`+"\u2028"+`","e":{},"a":[]}`, jsonOf(t, raw))
	_, err = event.ValueToJSON(bson.RawValue{Type: bson.TypeRegex, Value: []byte("a\x00\x00")})
	assert.Error(t, err)
	_, err = event.ValueToJSON(bson.RawValue{Type: bson.TypeInt64, Value: []byte{1}})
	assert.Error(t, err)
	out, err := event.ValueToJSON(bson.RawValue{})
	require.NoError(t, err)
	assert.Equal(t, "null", string(out))
}

func TestWhatWeWriteTheDriverReads(t *testing.T) {
	raw, fault := event.FromJSON([]byte(`{"a":{"b":[1,{"c":"x"},[],{}]},"d":1.5,"e":null,"f":false,"":"g"}`))
	require.Nil(t, fault)
	require.NoError(t, raw.Validate())
	var m bson.M
	require.NoError(t, bson.Unmarshal(raw, &m))
	assert.Equal(t, "g", m[""])
	v, ok := event.Lookup(raw, "a", "b", "1", "c")
	require.True(t, ok)
	assert.Equal(t, "x", v.StringValue())
}

func TestMergeDocs(t *testing.T) {
	doc := func(s string) bson.Raw {
		raw, err := event.FromJSON([]byte(s))
		require.Nil(t, err)
		return raw
	}
	merged := event.MergeDocs(doc(`{"a":1,"b":{"c":1,"d":{"e":1}},"f":[1]}`), doc(`{"b":{"d":{"g":2},"c":3},"f":[2],"h":{"i":4}}`))
	require.NoError(t, merged.Validate())
	assert.JSONEq(t, `{"a":1,"b":{"c":3,"d":{"e":1,"g":2}},"f":[2],"h":{"i":4}}`, jsonOf(t, merged))
	assert.Nil(t, event.MergeDocs(nil, nil))
}

func TestPaths(t *testing.T) {
	for path, keys := range map[string][]string{
		"a": {"a"}, "a.b": {"a", "b"}, `a\.b.c`: {"a.b", "c"}, `a\\.b`: {`a\`, "b"}, ".a": {"", "a"}, "a.": {"a", ""}, "": {""},
	} {
		assert.Equal(t, keys, event.SplitPath(path), path)
		assert.Equal(t, path, event.JoinPath(keys...))
	}
}

func TestMergeLargeDocuments(t *testing.T) {
	var a, b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&a, `"a%d":%d,`, i, i)
		fmt.Fprintf(&b, `"a%d":%d,`, i+1500, -i)
	}
	base, err := event.FromJSON([]byte("{" + strings.TrimSuffix(a.String(), ",") + "}"))
	require.Nil(t, err)
	over, err := event.FromJSON([]byte("{" + strings.TrimSuffix(b.String(), ",") + "}"))
	require.Nil(t, err)
	merged := event.MergeDocs(base, over)
	n := 0
	for it := event.Elements(merged); it.Next(); n++ {
		i, _ := strconv.Atoi(strings.TrimPrefix(string(it.Key()), "a"))
		want := int64(i)
		if i >= 1500 {
			want = int64(1500 - i)
		}
		assert.Equal(t, want, it.Value().Int64())
	}
	assert.Equal(t, 4500, n)
}
