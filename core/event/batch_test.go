package event_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
)

func batch(t *testing.T, body string) event.Batch {
	t.Helper()
	b, err := event.DecodeBatch([]byte(body), receipt)
	require.Nil(t, err)
	return b
}

func TestBatchEnvelope(t *testing.T) {
	b := batch(t, `{
		"batch":[
			{"type":"track","event":"x","userId":"u","context":{"app":{"version":"2"},"ip":"1.1.1.1"},"integrations":{"B":false},"timestamp":"2026-11-21T08:59:50Z"},
			{"type":"identify","anonymousId":"a","messageId":"m2"}],
		"messageId":"batch-id","writeKey":"wk","sentAt":"2026-11-21T09:00:00Z",
		"context":{"app":{"name":"shop","version":"1"},"library":{"name":"go"}},"integrations":{"A":true,"B":true}}`)
	assert.Equal(t, "wk", b.WriteKey)
	require.Len(t, b.Inputs, 2)
	first, second := b.Inputs[0], b.Inputs[1]
	require.Nil(t, first.Err)
	require.Nil(t, second.Err)
	assert.JSONEq(t, `{"app":{"name":"shop","version":"2"},"library":{"name":"go"},"ip":"1.1.1.1"}`, jsonOf(t, first.Context))
	assert.JSONEq(t, `{"A":true,"B":false}`, jsonOf(t, first.Integrations))
	assert.JSONEq(t, `{"app":{"name":"shop","version":"1"},"library":{"name":"go"}}`, jsonOf(t, second.Context))
	assert.Equal(t, receipt.Add(-10e9), first.Timestamp, "corrected with the batch's sentAt")
	assert.NotEqual(t, "batch-id", first.MessageID, "the batch's id is no event's")
	assert.Equal(t, "m2", second.MessageID)
}

func TestABadMessageCostsTheOthersNothing(t *testing.T) {
	big := `{"type":"track","event":"big","userId":"u","messageId":"m-big","properties":{"a":"` + strings.Repeat("x", 33<<10) + `"}}`
	b := batch(t, `{"batch":[`+strings.Join([]string{
		`{"type":"track","event":"x","userId":"u"}`, `7`, `{"type":"dance"}`, big, "{\"type\":\"track\",\"event\":\"\xff\",\"userId\":\"u\"}",
		`{"type":"identify","userId":"u","traits":` + strings.Repeat(`{"a":`, 400) + "1" + strings.Repeat("}", 400) + `}`, `{"type":"track","event":"y","userId":"u"}`,
	}, ",")+`]}`)
	var got []string
	for _, in := range b.Inputs {
		if in.Err == nil {
			got = append(got, in.Name)
		} else {
			got = append(got, in.Err.Reason)
		}
	}
	assert.Equal(t, []string{"x", event.ReasonNotAnObject, event.ReasonTypeUnknown, event.ReasonMessageTooLarge, event.ReasonInvalidUTF8, event.ReasonTooDeep, "y"}, got)
	assert.Equal(t, big, string(b.Inputs[3].Raw))
	assert.Equal(t, "m-big", b.Inputs[3].MessageID, "what could be read is told")
}

func TestAnUnreadableSentAtHoldsUpOnlyThoseThatNeedIt(t *testing.T) {
	b := batch(t, `{"sentAt":"soon","batch":[{"type":"identify","userId":"u"},{"type":"identify","userId":"u","sentAt":"2026-11-21T10:00:00Z"}]}`)
	require.NotNil(t, b.Inputs[0].Err)
	assert.Equal(t, event.ReasonTimestamp, b.Inputs[0].Err.Reason)
	assert.Equal(t, []string{"sentAt"}, b.Inputs[0].Err.Path)
	assert.Nil(t, b.Inputs[1].Err)
}

func TestBadBatches(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat("0,", event.MaxBatchMessages+1), ",")
	for name, c := range map[string]struct{ body, reason string }{
		"empty":            {``, event.ReasonBadJSON},
		"not JSON":         {`hello`, event.ReasonBadJSON},
		"truncated":        {`{"batch":[{"type":"track"}`, event.ReasonBadJSON},
		"a bad message":    {`{"batch":[{"type":tru}]}`, event.ReasonBadJSON},
		"trailing":         {`{"batch":[]}]`, event.ReasonBadJSON},
		"brackets":         {strings.Repeat("[", 400_000), event.ReasonBadJSON},
		"mixed brackets":   {`{"batch":[{]}`, event.ReasonBadJSON},
		"array":            {`[]`, event.ReasonNotAnObject},
		"no batch":         {`{"messages":[]}`, event.ReasonBatchMissing},
		"batch is object":  {`{"batch":{}}`, event.ReasonBatchMissing},
		"context is text":  {`{"batch":[],"context":"x"}`, event.ReasonNotAnObject},
		"context too deep": {`{"batch":[],"context":` + strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17) + `}`, event.ReasonTooDeep},
		"too large":        {`{"batch":[],"x":"` + strings.Repeat("x", 500<<10) + `"}`, event.ReasonBatchTooLarge},
		"too many":         {`{"batch":[` + many + `]}`, event.ReasonBatchTooLong},
		"context bomb":     {`{"context":{"a":"` + strings.Repeat("x", 30<<10) + `"},"batch":[` + strings.TrimSuffix(strings.Repeat("0,", 5000), ",") + `]}`, event.ReasonBatchTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := event.DecodeBatch([]byte(c.body), receipt)
			require.NotNil(t, err)
			assert.Equal(t, c.reason, err.Reason)
		})
	}
}

func TestBatchesThatAreFine(t *testing.T) {
	assert.Empty(t, batch(t, `{"batch":[]}`).Inputs)
	assert.Empty(t, batch(t, "\xef\xbb\xbf {\"batch\": [ ] , \"context\":null}").Inputs)
	assert.Len(t, batch(t, `{"batch":[1],"batch":[{"type":"identify","userId":"u"} , {"type":"identify","userId":"u"}]}`).Inputs, 2)
}

func TestRequestDefaultsLieUnderTheBatch(t *testing.T) {
	ctx, fault := event.FromJSON([]byte(`{"ip":"9.9.9.9","userAgent":"curl"}`))
	require.Nil(t, fault)
	b, err := event.DecodeBatchWith([]byte(`{"context":{"ip":"1.1.1.1"},"batch":[{"type":"identify","userId":"u"}]}`), event.Defaults{ReceivedAt: receipt, Context: ctx, GPC: true})
	require.Nil(t, err)
	assert.JSONEq(t, `{"ip":"1.1.1.1","userAgent":"curl","gpc":true}`, jsonOf(t, b.Inputs[0].Context))
}

func TestWriteKeyInBody(t *testing.T) {
	assert.Equal(t, "k1", event.WriteKey([]byte(`{"type":"track","properties":{"writeKey":"no"},"writeKey":"k1"}`)))
	for _, body := range []string{``, `[]`, `{"writeKey":5}`, `{"writeKey":`, `{}`} {
		assert.Empty(t, event.WriteKey([]byte(body)))
	}
}

func sum(raw string) []byte { return decodeP(raw).Sum }

func TestSumTellsARetryFromAnotherEvent(t *testing.T) {
	const base = `{"type":"track","event":"x","userId":"u","timestamp":"2026-11-21T09:00:00Z","properties":{"a":1,"b":{"c":2.50,"d":[1,2]}}`
	same := map[string]string{
		"itself":              base + `}`,
		"sentAt":              base + `,"sentAt":"2026-11-21T09:30:00Z"}`,
		"context":             base + `,"context":{"ip":"1.1.1.1"},"integrations":{"All":false}}`,
		"members in order":    `{"properties":{"b":{"d":[1,2],"c":2.5},"a":1.0},"timestamp":"2026-11-21T09:00:00.000Z","userId":"u","event":"x","type":"TRACK"}`,
		"unknown member":      base + `,"receivedAt":"2026-01-01T00:00:00Z","x":1}`,
		"original, by name":   strings.Replace(base, `"timestamp"`, `"originalTimestamp"`, 1) + `}`,
		"another message id":  base + `,"messageId":"m"}`,
		"zone of the time":    strings.Replace(base, `09:00:00Z`, `11:00:00+02:00`, 1) + `}`,
		"empty traits and so": base + `,"traits":{}}`,
	}
	want := sum(base + `}`)
	require.NotNil(t, want)
	for name, raw := range same {
		assert.Equal(t, want, sum(raw), name)
	}
	for name, raw := range map[string]string{
		"event":     strings.Replace(base, `"x"`, `"y"`, 1) + `}`,
		"user":      strings.Replace(base, `"u"`, `"v"`, 1) + `}`,
		"anonymous": base + `,"anonymousId":"a"}`,
		"number":    strings.Replace(base, `2.50`, `2.51`, 1) + `}`,
		"order":     strings.Replace(base, `[1,2]`, `[2,1]`, 1) + `}`,
		"text":      strings.Replace(base, `"a":1`, `"a":"1"`, 1) + `}`,
		"key":       strings.Replace(base, `"a":1`, `"A":1`, 1) + `}`,
		"time":      strings.Replace(base, `09:00:00Z`, `09:00:01Z`, 1) + `}`,
		"traits":    base + `,"traits":{"a":1}}`,
	} {
		assert.NotEqual(t, want, sum(raw), name)
	}
}

func TestSealMatchesDecode(t *testing.T) {
	in := decode(`{"type":"track","event":"x","userId":"u","messageId":"m","timestamp":"2026-11-21T09:00:00Z","properties":{"b":1,"a":2}}`)
	made := event.Input{Type: event.Track, Name: "x", UserID: "u", Timestamp: in.Timestamp, Properties: in.Properties}
	made.Seal(receipt)
	assert.Equal(t, in.Sum, made.Sum)
	assert.NotEmpty(t, made.MessageID)
}

func TestInputsDoNotShareScratch(t *testing.T) {
	var body bytes.Buffer
	body.WriteString(`{"batch":[`)
	for i := range 200 {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"type":"identify","userId":"u%d","traits":{"n":%d},"context":{"n":%d}}`, i, i, i)
	}
	body.WriteString(`]}`)
	for i, in := range batch(t, body.String()).Inputs {
		assert.Equal(t, fmt.Sprintf("u%d", i), in.UserID)
		assert.Equal(t, fmt.Sprintf(`{"n":%d}`, i), jsonOf(t, in.Traits))
		assert.Equal(t, fmt.Sprintf(`{"n":%d}`, i), jsonOf(t, in.Context))
	}
}
