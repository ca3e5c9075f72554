package event_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/headwater-cdp/headwater/core/event"
)

var messageSeeds = []string{
	`{"type":"track","event":"Order Completed","userId":"u","properties":{"total":12.5,"products":[{"sku":"S"}]},"timestamp":"2026-11-21T09:00:00Z","sentAt":"2026-11-21T09:00:01Z"}`,
	`{"type":"identify","userId":5,"traits":{"email":"a@b.c","address":{"city":"Cluj"}},"context":{"consent":{"categoryPreferences":{"Ads":true}}}}`,
	`{"type":"page","anonymousId":"a","name":"Home","properties":{"a":1,"a":2},"timestamp":1795251590000}`,
	`{"type":"alias","userId":"u","previousId":"p\u0000"}`,
	`{"type":"group","userId":"u","groupId":"g","traits":{"n":123456789012345678901234567890,"\ud800":"\ud83d\ude00"}}`,
	`{"type":"track","event":"x","userId":"u","properties":{"a":{"b":{"c":[[[[[[[[[[[[[[1]]]]]]]]]]]]]]}}}}`,
	`{"type":"screen","userId":"u","properties":[]} `,
	`{"type":"track","event":"x","userId":"u","timestamp":"0001-01-01T00:00:00Z","sentAt":"9999-12-31T23:59:59Z"}`,
	"{\"type\":\"track\",\"userId\":\"\xff\"}", `{}`, `[]`, `{"type":`, ``,
}

func FuzzDecodeMessage(f *testing.F) {
	for _, s := range messageSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		in := event.DecodeMessage(raw, event.Defaults{ReceivedAt: receipt, MessageID: "m"})
		checkInput(t, raw, &in)
		if again := event.DecodeMessage(raw, event.Defaults{ReceivedAt: receipt.Add(time.Hour), MessageID: "n"}); in.Err == nil && again.Err == nil && !bytes.Equal(in.Sum, again.Sum) {
			t.Fatal("the same message has two sums")
		}
	})
}

func checkInput(t *testing.T, raw []byte, in *event.Input) {
	if !bytes.Equal(in.Raw, raw) {
		t.Fatal("the payload is not kept")
	}
	if in.Err != nil {
		if in.Err.Reason == "" || in.Err.Message == "" {
			t.Fatal("no reason")
		}
		if in.Err.Reason == event.ReasonBadJSON && json.Valid(raw) {
			t.Fatalf("valid JSON is refused: %s", in.Err.Message)
		}
		return
	}
	if !json.Valid(raw) || !utf8.Valid(raw) {
		t.Fatal("what is not JSON is taken")
	}
	if in.Type == "" || in.Name == "" || in.UserID+in.AnonymousID == "" || in.MessageID == "" || len(in.Sum) != 16 {
		t.Fatalf("incomplete: %+v", in)
	}
	if in.Timestamp.Before(time.Unix(0, 0)) || in.Timestamp.After(receipt.Add(event.MaxFuture)) {
		t.Fatalf("timestamp %s", in.Timestamp)
	}
	if strings.ContainsRune(in.UserID+in.AnonymousID+in.GroupID+in.PreviousID+in.MessageID+in.Name, 0) {
		t.Fatal("NUL in an id")
	}
	for _, doc := range [][]byte{in.Properties, in.Traits, in.Context, in.Integrations} {
		if doc == nil {
			continue
		}
		if err := rawOf(doc).Validate(); err != nil {
			t.Fatal(err)
		}
		if text, err := event.ToJSON(doc); err != nil || !json.Valid(text) {
			t.Fatalf("%s: %v", text, err)
		}
	}
	in.Consents()
}

func FuzzDecodeBatch(f *testing.F) {
	for _, s := range messageSeeds {
		f.Add([]byte(`{"batch":[` + s + `,` + s + `],"sentAt":"2026-11-21T09:00:01Z","context":{"ip":"1.1.1.1"},"integrations":{}}`))
	}
	f.Add([]byte(`{"batch":[ ]}`))
	f.Add([]byte(`{"batch":[{"a":[}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := event.DecodeBatch(body, receipt)
		if err != nil {
			return
		}
		if trimmed := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")); !json.Valid(trimmed) {
			t.Fatal("what is not JSON is taken")
		}
		for i := range b.Inputs {
			in := &b.Inputs[i]
			if !bytes.Contains(body, in.Raw) {
				t.Fatal("a payload is not part of the body")
			}
			if in.Err == nil {
				checkInput(t, in.Raw, in)
			}
		}
	})
}

func FuzzJSONRoundTrip(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"b":[1.5,-0.0,1e400,5e-324,0.1234567890123456789],"c":{"d":null,"e":true,"":"\u0001\ud800\u2028"}}`,
		`{"n":9223372036854775808,"m":-9223372036854775808,"o":1E+2,"p":0e99999}`, `{"a":1,"a":{"a":2}}`, `{"a":"😀\/"}`, `{}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		raw, err := event.FromJSON([]byte(text))
		if err != nil {
			switch err.Reason {
			case event.ReasonNumberRange, event.ReasonTooDeep, event.ReasonNULByte, event.ReasonNotAnObject, event.ReasonInvalidUTF8:
			default:
				if json.Valid([]byte(text)) {
					t.Fatalf("valid JSON is refused: %v", err)
				}
			}
			return
		}
		if err := raw.Validate(); err != nil {
			t.Fatal(err)
		}
		out, fault := event.ToJSON(raw)
		if fault != nil {
			t.Fatal(fault)
		}
		if a, b := parsed(t, text), parsed(t, string(out)); !reflect.DeepEqual(a, b) {
			t.Fatalf("%s became %s", text, out)
		}
	})
}

// parsed reads JSON with the standard library, numbers as comparable text.
func parsed(t *testing.T, text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return normalised(v)
}

func normalised(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = normalised(v[k])
		}
	case []any:
		for i := range v {
			v[i] = normalised(v[i])
		}
	case json.Number:
		return plainNumber(string(v))
	}
	return v
}

// plainNumber writes a number as digits and exponent, so that equal numbers are
// equal text.
func plainNumber(lit string) string {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(lit), "e")
	exp, _ := strconv.Atoi(exponent)
	sign := ""
	if strings.HasPrefix(mantissa, "-") {
		sign, mantissa = "-", mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	exp -= len(fraction)
	trimmed := strings.TrimRight(digits, "0")
	if trimmed == "" {
		return "0"
	}
	return sign + trimmed + "e" + strconv.Itoa(exp+len(digits)-len(trimmed))
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{
		"userId,traits.a\nu,1\n", "\xef\xbb\xbfuserId\r\nu\r\n\r\nv", "userId,traits.a\n\"u\"\"\",\"a\nb\"\nx\n\"open\n", "a,b\n1,2\n", "userId\n\"a\"b\n", "userId\nu\r", "userId\n\xff\n", "\"\"", ",",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, fine := event.CSVRecords(text); fine {
			std := csv.NewReader(bytes.NewReader(text))
			std.FieldsPerRecord = -1
			if want, err := std.ReadAll(); err == nil && !reflect.DeepEqual(unixLines(want), unixLines(got)) {
				t.Fatalf("%q is %q, not %q", text, got, want)
			}
		}
		o := event.CSVOptions{FileOptions: event.FileOptions{ReceivedAt: receipt, IDPrefix: "f"}}
		all, err := readAll(bytes.NewReader(text), o)
		if err != nil {
			return
		}
		for i, row := range all {
			if row.Input.Err == nil {
				checkInput(t, row.Input.Raw, &row.Input)
			} else if !json.Valid(row.Input.Raw) {
				t.Fatalf("a payload that cannot be corrected: %s", row.Input.Raw)
			}
			if i > 0 && (row.Line <= all[i-1].Line || row.Next.Offset <= all[i-1].Next.Offset) {
				t.Fatal("no progress")
			}
		}
		bits, err := readAll(iotest.OneByteReader(bytes.NewReader(text)), o)
		if err != nil || len(bits) != len(all) {
			t.Fatalf("%d rows, in bits %d: %v", len(all), len(bits), err)
		}
		if n := len(all); n > 1 {
			o.Start = all[n/2].Next
			rest, err := readAll(bytes.NewReader(text), o)
			if err != nil || len(rest) != n-n/2-1 {
				t.Fatalf("%d rows after half of %d: %v", len(rest), n, err)
			}
		}
	})
}

func unixLines(records [][]string) [][]string {
	out := [][]string{}
	for _, r := range records {
		record := []string{}
		for _, f := range r {
			record = append(record, strings.ReplaceAll(f, "\r\n", "\n"))
		}
		out = append(out, record)
	}
	return out
}

func readAll(r io.Reader, o event.CSVOptions) ([]event.Row, error) {
	c, err := event.NewCSV(r, o)
	if err != nil {
		return nil, err
	}
	var out []event.Row
	for {
		row, err := c.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
}
