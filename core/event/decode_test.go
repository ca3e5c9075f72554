package event_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

var receipt = time.Date(2026, 11, 21, 10, 0, 5, 0, time.UTC)

func decode(raw string) event.Input {
	return event.DecodeMessage([]byte(raw), event.Defaults{ReceivedAt: receipt})
}

func jsonOf(t *testing.T, raw []byte) string {
	t.Helper()
	if raw == nil {
		return ""
	}
	text, err := event.ToJSON(raw)
	require.NoError(t, err)
	return string(text)
}

func TestEachTypeIsRead(t *testing.T) {
	for _, c := range []struct {
		raw  string
		want event.Input
	}{
		{`{"type":"identify","userId":"u","traits":{"email":"a@b.c"}}`, event.Input{Type: event.Identify, Name: "Identified", UserID: "u"}},
		{`{"type":"track","anonymousId":"x","event":"Signed Up"}`, event.Input{Type: event.Track, Name: "Signed Up", AnonymousID: "x"}},
		{`{"type":"TRACK","userId":"u","event":"Signed Up"}`, event.Input{Type: event.Track, Name: "Signed Up", UserID: "u"}},
		{`{"type":"page","userId":"u","name":"Home"}`, event.Input{Type: event.Page, Name: "Page Viewed", UserID: "u"}},
		{`{"type":"screen","userId":"u"}`, event.Input{Type: event.Screen, Name: "Screen Viewed", UserID: "u"}},
		{`{"type":"group","userId":"u","groupId":"g"}`, event.Input{Type: event.Group, Name: "Grouped", UserID: "u", GroupID: "g"}},
		{`{"type":"alias","userId":"u","previousId":"p"}`, event.Input{Type: event.Alias, Name: "Aliased", UserID: "u", PreviousID: "p"}},
	} {
		in := decode(c.raw)
		require.Nil(t, in.Err, c.raw)
		assert.Equal(t, c.want.Type, in.Type)
		assert.Equal(t, c.want.Name, in.Name)
		assert.Equal(t, [4]string{c.want.UserID, c.want.AnonymousID, c.want.GroupID, c.want.PreviousID},
			[4]string{in.UserID, in.AnonymousID, in.GroupID, in.PreviousID})
		assert.Equal(t, receipt, in.Timestamp)
		assert.Len(t, in.Sum, 16)
		assert.True(t, strings.HasPrefix(in.MessageID, "mid_"), "a missing message id is made")
	}
}

func TestTheRouteGivesTheType(t *testing.T) {
	in := event.DecodeMessage([]byte(`{"type":"page","userId":"u","event":"Bought"}`), event.Defaults{Type: event.Track, ReceivedAt: receipt})
	require.Nil(t, in.Err)
	assert.Equal(t, event.Track, in.Type)
	assert.Equal(t, "Bought", in.Name)
}

func TestBadMessages(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for name, c := range map[string]struct{ raw, reason, path string }{
		"empty":              {``, event.ReasonBadJSON, ""},
		"truncated":          {`{"type":"track","userId":"u","event":"x","properties":{"a":`, event.ReasonBadJSON, ""},
		"trailing":           {`{"type":"identify","userId":"u"} x`, event.ReasonBadJSON, ""},
		"trailing comma":     {`{"type":"identify","userId":"u",}`, event.ReasonBadJSON, ""},
		"single quotes":      {`{'type':'identify'}`, event.ReasonBadJSON, ""},
		"bad escape":         {`{"type":"identify","userId":"\x"}`, event.ReasonBadJSON, ""},
		"control character":  {"{\"type\":\"identify\",\"userId\":\"a\nb\"}", event.ReasonBadJSON, ""},
		"leading zero":       {`{"type":"identify","userId":007}`, event.ReasonBadJSON, ""},
		"NaN":                {`{"type":"identify","userId":"u","traits":{"a":NaN}}`, event.ReasonBadJSON, ""},
		"array":              {`[1,2]`, event.ReasonNotAnObject, ""},
		"text":               {`"x"`, event.ReasonNotAnObject, ""},
		"no type":            {`{"userId":"u"}`, event.ReasonTypeMissing, "type"},
		"unknown type":       {`{"type":"system","userId":"u"}`, event.ReasonTypeUnknown, "type"},
		"type is a number":   {`{"type":1,"userId":"u"}`, event.ReasonWrongType, "type"},
		"nobody":             {`{"type":"track","event":"x"}`, event.ReasonUserMissing, "userId"},
		"empty user":         {`{"type":"track","event":"x","userId":""}`, event.ReasonUserMissing, "userId"},
		"null user":          {`{"type":"track","event":"x","userId":null}`, event.ReasonUserMissing, "userId"},
		"no event":           {`{"type":"track","userId":"u"}`, event.ReasonEventMissing, "event"},
		"event is an object": {`{"type":"track","userId":"u","event":{}}`, event.ReasonWrongType, "event"},
		"long event":         {`{"type":"track","userId":"u","event":"` + strings.Repeat("e", 513) + `"}`, event.ReasonNameTooLong, "event"},
		"no group":           {`{"type":"group","userId":"u"}`, event.ReasonGroupIDMissing, "groupId"},
		"alias of nothing":   {`{"type":"alias","userId":"u"}`, event.ReasonPreviousMissing, "previousId"},
		"alias to nobody":    {`{"type":"alias","anonymousId":"x","previousId":"p"}`, event.ReasonUserIDMissing, "userId"},
		"user is an object":  {`{"type":"identify","userId":{"id":1}}`, event.ReasonWrongType, "userId"},
		"user is a boolean":  {`{"type":"identify","userId":true}`, event.ReasonWrongType, "userId"},
		"NUL in an id":       {`{"type":"identify","userId":"a\u0000b"}`, event.ReasonNULByte, "userId"},
		"NUL in a key":       {`{"type":"identify","userId":"u","traits":{"a":{"b\u0000":1}}}`, event.ReasonNULByte, "traits.a"},
		"long id":            {`{"type":"identify","userId":"` + strings.Repeat("x", 513) + `"}`, event.ReasonIDTooLong, "userId"},
		"long message id":    {`{"type":"identify","userId":"u","messageId":"` + strings.Repeat("ä", 101) + `"}`, event.ReasonMessageIDTooLong, "messageId"},
		"half a surrogate":   {`{"type":"identify","userId":"a\ud800b"}`, event.ReasonInvalidUTF8, "userId"},
		"not UTF-8":          {"{\"type\":\"identify\",\"userId\":\"u\",\"traits\":{\"a\":\"\xff\"}}", event.ReasonInvalidUTF8, "traits"},
		"not UTF-8 in an id": {"{\"type\":\"identify\",\"userId\":\"\xc3\x28\"}", event.ReasonInvalidUTF8, "userId"},
		"properties array":   {`{"type":"track","userId":"u","event":"x","properties":[1]}`, event.ReasonWrongType, "properties"},
		"properties text":    {`{"type":"track","userId":"u","event":"x","properties":"a"}`, event.ReasonWrongType, "properties"},
		"traits number":      {`{"type":"identify","userId":"u","traits":5}`, event.ReasonWrongType, "traits"},
		"context text":       {`{"type":"identify","userId":"u","context":"x"}`, event.ReasonWrongType, "context"},
		"integrations text":  {`{"type":"identify","userId":"u","integrations":"x"}`, event.ReasonWrongType, "integrations"},
		"too deep":           {`{"type":"identify","userId":"u","traits":` + deep(17) + `}`, event.ReasonTooDeep, "traits" + strings.Repeat(".a", 16)},
		"far too deep":       {`{"type":"identify","userId":"u","traits":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`, event.ReasonWrongType, "traits"},
		"deep array":         {`{"type":"identify","userId":"u","traits":{"a":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}}`, event.ReasonTooDeep, "traits.a" + strings.Repeat(".0", 15)},
		"too many digits":    {`{"type":"track","userId":"u","event":"x","properties":{"n":[0.12345678901234567890123456789012345]}}`, event.ReasonNumberRange, "properties.n.0"},
		"too large a number": {`{"type":"track","userId":"u","event":"x","properties":{"n":1e99999}}`, event.ReasonNumberRange, "properties.n"},
		"future":             {`{"type":"identify","userId":"u","timestamp":"2026-11-22T10:00:06Z"}`, event.ReasonFuture, "timestamp"},
		"ancient":            {`{"type":"identify","userId":"u","timestamp":"1969-12-31T23:59:59Z"}`, event.ReasonAncient, "timestamp"},
		"no time":            {`{"type":"identify","userId":"u","timestamp":"yesterday"}`, event.ReasonTimestamp, "timestamp"},
		"time is an object":  {`{"type":"identify","userId":"u","originalTimestamp":{}}`, event.ReasonTimestamp, "originalTimestamp"},
		"bad sentAt":         {`{"type":"identify","userId":"u","sentAt":"x"}`, event.ReasonTimestamp, "sentAt"},
		"too large":          {`{"type":"identify","userId":"u","messageId":"m1","traits":{"a":"` + strings.Repeat("x", 32<<10) + `"}}`, event.ReasonMessageTooLarge, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := decode(c.raw)
			require.NotNil(t, in.Err)
			assert.Equal(t, core.Invalid, in.Err.Code)
			assert.Equal(t, c.reason, in.Err.Reason)
			assert.Equal(t, c.path, strings.Join(in.Err.Path, "."))
			assert.NotEmpty(t, in.Err.Message)
			assert.Equal(t, c.raw, string(in.Raw), "the payload is kept")
			assert.Nil(t, in.Sum)
		})
	}
}

func TestWhatIsTolerated(t *testing.T) {
	for name, c := range map[string]struct{ raw, user, props string }{
		"numeric id":          {`{"type":"track","event":"x","userId":81723}`, "81723", ""},
		"large numeric id":    {`{"type":"track","event":"x","userId":12345678901234567890}`, "12345678901234567890", ""},
		"exponent":            {`{"type":"track","event":"x","userId":1e3}`, "1000", ""},
		"32 KB":               {`{"type":"track","event":"x","userId":"u","ignored":"` + strings.Repeat("x", 32<<10-54) + `"}`, "u", ""},
		"unknown members":     {`{"type":"track","event":"x","userId":"u","channel":"server","_metadata":{}}`, "u", ""},
		"duplicate members":   {`{"type":"track","event":"y","event":"x","userId":"v","userId":"u","properties":{"a":1},"properties":{"b":2}}`, "u", `{"b":2}`},
		"duplicate keys":      {`{"type":"track","event":"x","userId":"u","properties":{"a":1,"b":2,"a":{"a":3,"a":4},"c":5,"b":6}}`, "u", `{"a":{"a":4},"c":5,"b":6}`},
		"odd keys":            {`{"type":"track","event":"x","userId":"u","properties":{"":1,"$set":2,"a.b":3}}`, "u", `{"":1,"$set":2,"a.b":3}`},
		"PHP's empty object":  {`{"type":"track","event":"x","userId":"u","properties":[ ],"context":[]}`, "u", ""},
		"nulls":               {`{"type":"track","event":"x","userId":"u","properties":null,"traits":null,"timestamp":null,"messageId":null}`, "u", ""},
		"NUL in a value":      {`{"type":"track","event":"x","userId":"u","properties":{"a":"\u0000"}}`, "u", `{"a":"\u0000"}`},
		"half a pair":         {`{"type":"track","event":"x","userId":"u","properties":{"a":"\ud83d."}}`, "u", `{"a":"` + "\ufffd" + `."}`},
		"a pair":              {`{"type":"track","event":"x","userId":"u","properties":{"a":"\ud83d\ude00"}}`, "u", `{"a":"😀"}`},
		"escaped member":      {`{"type":"track","\u0065vent":"x","userId":"u"}`, "u", ""},
		"exactly deep enough": {`{"type":"track","event":"x","userId":"u","properties":` + strings.Repeat(`{"a":`, 16) + "1" + strings.Repeat("}", 16) + `}`, "u", strings.Repeat(`{"a":`, 16) + "1" + strings.Repeat("}", 16)},
		"white space":         {" {\r\n\t\"type\" : \"track\" , \"event\":\"x\", \"userId\":\"u\", \"properties\" : { \"a\" : [ 1 , 2 ] } } \n", "u", `{"a":[1,2]}`},
	} {
		t.Run(name, func(t *testing.T) {
			in := decode(c.raw)
			require.Nil(t, in.Err)
			assert.Equal(t, "x", in.Name)
			assert.Equal(t, c.user, in.UserID)
			assert.Equal(t, c.props, jsonOf(t, in.Properties))
		})
	}
}

func TestAHundredKeysTwice(t *testing.T) {
	var b strings.Builder
	for i := range 200 {
		fmt.Fprintf(&b, `"k%d":%d,`, i%100, i)
	}
	in := decode(`{"type":"track","event":"x","userId":"u","properties":{` + strings.TrimSuffix(b.String(), ",") + `}}`)
	require.Nil(t, in.Err)
	n := 0
	for it := event.Elements(in.Properties); it.Next(); n++ {
		assert.Equal(t, fmt.Sprintf("k%d", n), string(it.Key()))
		assert.EqualValues(t, 100+n, it.Value().Int64())
	}
	assert.Equal(t, 100, n)
}

func TestPageNameAndCategoryAreProperties(t *testing.T) {
	in := decode(`{"type":"page","userId":"u","name":"Home","category":"Shop","properties":{"url":"/","category":"Own"}}`)
	require.Nil(t, in.Err)
	assert.JSONEq(t, `{"url":"/","category":"Own","name":"Home"}`, jsonOf(t, in.Properties))
	in = decode(`{"type":"screen","userId":"u","name":"Cart"}`)
	require.Nil(t, in.Err)
	assert.JSONEq(t, `{"name":"Cart"}`, jsonOf(t, in.Properties))
}

func TestConsentAndGPC(t *testing.T) {
	raw := []byte(`{"type":"track","event":"x","userId":"u","context":{"gpc":false,"consent":{"categoryPreferences":{"Ads":true,"Odd":"yes","Stats":false}}}}`)
	in := event.DecodeMessage(raw, event.Defaults{ReceivedAt: receipt, GPC: true})
	require.Nil(t, in.Err)
	assert.Equal(t, []event.Preference{{"Ads", true}, {"Stats", false}}, in.Consents())
	assert.True(t, in.GPC(), "the header is an objection whatever the page says")
	assert.Nil(t, decodeP(`{"type":"track","event":"x","userId":"u"}`).Consents())
}

func decodeP(raw string) *event.Input { in := decode(raw); return &in }

func TestContextTraits(t *testing.T) {
	in := decode(`{"type":"page","userId":"u","context":{"traits":{"plan":"pro"}}}`)
	assert.JSONEq(t, `{"plan":"pro"}`, jsonOf(t, in.ContextTraits()))
	assert.Equal(t, "pro", event.Text(in.Context, "traits", "plan"))
	assert.Empty(t, event.Text(in.Context, "traits", "plan", "x"))
}
