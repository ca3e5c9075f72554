package sdk

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	pb "github.com/headwater-cdp/headwater/plugins/proto/headwater/plugin/v1"
)

// there is a message turned into this package's types and back.
func there[M proto.Message, T any](from func(M) T, to func(T) M) func(proto.Message) proto.Message {
	return func(m proto.Message) proto.Message { return to(from(m.(M))) }
}

// converted lists the messages that have a Go type of their own.
func converted(c *converter) map[string]func(proto.Message) proto.Message {
	return map[string]func(proto.Message) proto.Message{
		"Fault":               there(faultFrom, fault),
		"RateHint":            there(rateFrom, rate),
		"Spec":                there(specFrom, specTo),
		"Stored":              there(storedFrom, storedTo),
		"AuthorizeURLRequest": there(authorizeFrom, authorizeTo),
		"ExchangeRequest":     there(grantFrom, grantTo),
		"LogRecord": func(m proto.Message) proto.Message {
			r := logFrom(m.(*pb.LogRecord))
			return logTo(r, c.values(m.(*pb.LogRecord).AttributesJson))
		},
		"Stream":          there(streamFrom, streamTo),
		"Record":          there(c.recordFrom, c.record),
		"Event":           there(c.eventFrom, c.event),
		"StreamRecord":    there(c.streamRecordFrom, c.streamRecord),
		"PullRequest":     there(pullFrom, pullTo),
		"PullResponse":    there(c.pageFrom, c.page),
		"ReceiveRequest":  there(webhookFrom, webhookTo),
		"ReceiveResponse": there(c.receivedFrom, c.received),
		"Item":            there(c.itemFrom, c.item),
		"UpsertRequest":   there(c.batchFrom, c.batch),
		"Result":          there(resultFrom, resultTo),
		"MembersRequest":  there(c.changeFrom, c.change),
		"MembersResponse": there(membersFrom, membersTo),
		"ConsentChange":   there(consentFrom, consentTo),
		"EraseRequest":    there(subjectFrom, subjectTo),
		"EraseResponse":   there(receiptFrom, receiptTo),
		"SendRequest":     there(messageFrom, messageTo),
		"SendResponse":    there(sentFrom, sentTo),
		"StatusRequest":   there(queryFrom, queryTo),
		"Delivery":        there(deliveryFrom, deliveryTo),
		"Inbound":         there(inboundFrom, inboundTo),
	}
}

// envelopes have no Go type: TestEveryFieldTravels fills what is in them and calls the
// methods they belong to. Limits, Processor and Values are parts of the above.
var envelopes = strings.Fields(`SpecRequest SpecResponse OpenRequest OpenResponse CheckRequest CheckResponse
	CloseRequest CloseResponse UpgradeRequest UpgradeResponse AuthorizeURLResponse ExchangeResponse
	AttendMessage SaveSecret AttendAnswer DiscoverRequest DiscoverResponse UpsertResponse ForwardRequest
	ForwardResponse SetConsentsRequest SetConsentsResponse KeptRequest KeptResponse StatusResponse Limits Processor Values`)

func TestNoFieldIsLostInConversion(t *testing.T) {
	known := map[string]bool{}
	for _, name := range envelopes {
		known[name] = true
	}
	c := &converter{}
	for name, convert := range converted(c) {
		known[name] = true
		t.Run(name, func(t *testing.T) {
			kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName("headwater.plugin.v1." + name))
			if err != nil {
				t.Fatal(err)
			}
			m := kind.New().Interface()
			n := 0
			fill(m.ProtoReflect(), &n)
			got := convert(m)
			if c.err != nil {
				t.Fatal(c.err)
			}
			// The hint goes beside the value, through the context of the call.
			if f := m.ProtoReflect().Descriptor().Fields().ByName("rate"); f != nil {
				m.ProtoReflect().Clear(f)
			}
			if !proto.Equal(m, got) {
				t.Errorf("went in:\n%s\ncame out:\n%s", prototext.Format(m), prototext.Format(got))
			}
			if empty := kind.New().Interface(); !proto.Equal(lossless(empty, convert), empty) {
				t.Errorf("an empty message came out as %s", prototext.Format(convert(empty)))
			}
		})
	}
	protoregistry.GlobalTypes.RangeMessages(func(m protoreflect.MessageType) bool {
		d := m.Descriptor()
		if d.ParentFile().Package() == "headwater.plugin.v1" && !d.IsMapEntry() && !known[string(d.Name())] {
			t.Errorf("%s is neither converted nor an envelope", d.Name())
		}
		return true
	})
}

// lossless passes over what only differs by being there: parts that are always written.
func lossless(m proto.Message, convert func(proto.Message) proto.Message) proto.Message {
	out := convert(m)
	r := out.ProtoReflect()
	r.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Message() != nil && !f.IsList() && !f.IsMap() && proto.Size(v.Message().Interface()) == 0 {
			r.Clear(f)
		}
		return true
	})
	return out
}

// fill sets every field of a message to something that is not its default; n makes each
// value another one.
func fill(m protoreflect.Message, n *int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case f.IsMap():
			value := func() protoreflect.Value { return some(f.MapValue(), m.NewField(f).Map().NewValue, n) }
			entries := m.Mutable(f).Map()
			for range 2 {
				*n++
				entries.Set(protoreflect.ValueOfString(fmt.Sprint("key", *n)).MapKey(), value())
			}
		case f.IsList():
			items := m.Mutable(f).List()
			for range 2 {
				items.Append(some(f, items.NewElement, n))
			}
		default:
			m.Set(f, some(f, func() protoreflect.Value { return m.NewField(f) }, n))
		}
	}
}

func some(f protoreflect.FieldDescriptor, fresh func() protoreflect.Value, n *int) protoreflect.Value {
	*n++
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(fmt.Sprintf("%s-%d-ü", f.Name(), *n))
	case protoreflect.BytesKind:
		if strings.HasSuffix(string(f.Name()), "_json") {
			return protoreflect.ValueOfBytes(fmt.Appendf(nil, `{"<n>":%d.50,"s":["ü",null,{"t":true}]}`, *n))
		}
		return protoreflect.ValueOfBytes(fmt.Appendf(nil, "\x00\xff%d", *n))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(*n))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(*n) + 1<<40)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(*n) + 1<<40)
	case protoreflect.MessageKind:
		v := fresh()
		switch f.Message().FullName() {
		case "google.protobuf.Timestamp", "google.protobuf.Duration":
			fields := f.Message().Fields()
			v.Message().Set(fields.ByName("seconds"), protoreflect.ValueOfInt64(1_000_000+int64(*n)))
			v.Message().Set(fields.ByName("nanos"), protoreflect.ValueOfInt32(int32(*n)))
		default:
			fill(v.Message(), n)
		}
		return v
	}
	panic("no value for a field of kind " + f.Kind().String())
}
