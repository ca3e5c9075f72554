package sdk

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/headwater-cdp/headwater/plugins/proto/headwater/plugin/v1"
)

// A converter turns the types of this package into those of the wire and back. It keeps
// the first error, so that a whole message is converted without asking at each step.
type converter struct{ err error }

// object encodes values as JSON; nil is nothing at all.
func (c *converter) object(m map[string]any) []byte {
	if m == nil {
		return nil
	}
	b, err := encode(m)
	if err != nil && c.err == nil {
		c.err = &Fault{Kind: FaultInternal, Origin: FromConnector, Reason: "NOT_JSON",
			Message: "a value cannot be written as JSON"}
	}
	return b
}

func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// values decodes a JSON object, numbers as json.Number.
func (c *converter) values(b []byte) map[string]any {
	if len(b) == 0 {
		return nil
	}
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&m); (err != nil || d.More()) && c.err == nil {
		c.err = &Fault{Kind: FaultInternal, Origin: FromConnector, Reason: "NOT_JSON",
			Message: "the values of a record are not one JSON object"}
	}
	return m
}

// list converts each element; nil stays nil.
func list[A, B any](in []A, convert func(A) B) []B {
	if in == nil {
		return nil
	}
	out := make([]B, len(in))
	for i, v := range in {
		out[i] = convert(v)
	}
	return out
}

// text converts between strings and types of strings.
func text[B, A ~string](in []A) []B {
	return list(in, func(a A) B { return B(a) })
}

func moment(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func instant(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func span(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

func header(h http.Header) map[string]*pb.Values {
	if h == nil {
		return nil
	}
	out := make(map[string]*pb.Values, len(h))
	for k, v := range h {
		out[k] = &pb.Values{Values: v}
	}
	return out
}

func headerFrom(m map[string]*pb.Values) http.Header {
	if m == nil {
		return nil
	}
	out := make(http.Header, len(m))
	for k, v := range m {
		out[k] = v.GetValues()
	}
	return out
}

func fault(f *Fault) *pb.Fault {
	if f == nil {
		return nil
	}
	return &pb.Fault{
		Kind: string(f.Kind), Origin: string(f.Origin), Reason: f.Reason, Message: f.Message, Path: f.Path,
		After: span(f.After), Until: moment(f.Until),
	}
}

func faultFrom(f *pb.Fault) *Fault {
	if f == nil {
		return nil
	}
	return &Fault{
		Kind: FaultKind(f.Kind), Origin: Origin(f.Origin), Reason: f.Reason, Message: f.Message, Path: f.Path,
		After: f.After.AsDuration(), Until: instant(f.Until),
	}
}

func rate(h *RateHint) *pb.RateHint {
	if h == nil {
		return nil
	}
	return &pb.RateHint{
		Limit: int64(h.Limit), Remaining: int64(h.Remaining), Window: span(h.Window), Reset_: span(h.Reset),
	}
}

func rateFrom(h *pb.RateHint) *RateHint {
	if h == nil {
		return nil
	}
	return &RateHint{
		Limit: int(h.Limit), Remaining: int(h.Remaining), Window: h.Window.AsDuration(), Reset: h.Reset_.AsDuration(),
	}
}
