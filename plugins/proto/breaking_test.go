package proto_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	_ "github.com/headwater-cdp/headwater/plugins/proto/headwater/plugin/v1"
)

// baseline is the contract as it was released last. After a release that added to it:
//
//	go test ./proto -run TestContract -update
var (
	baseline = "baseline.binpb"
	update   = flag.Bool("update", false, "write the contract of today as the released one, when it breaks nothing")
)

// contract is what is compiled into this test: the .proto files as they are.
func contract() *descriptorpb.FileDescriptorSet {
	set := &descriptorpb.FileDescriptorSet{}
	protoregistry.GlobalFiles.RangeFilesByPackage("headwater.plugin.v1", func(f protoreflect.FileDescriptor) bool {
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
		return true
	})
	slices.SortFunc(set.File, func(a, b *descriptorpb.FileDescriptorProto) int {
		if a.GetName() < b.GetName() {
			return -1
		}
		return 1
	})
	return set
}

func TestContractBreaksNothing(t *testing.T) {
	now := contract()
	before := &descriptorpb.FileDescriptorSet{}
	b, err := os.ReadFile(baseline)
	if err == nil {
		err = proto.Unmarshal(b, before)
	}
	if err != nil && !(*update && os.IsNotExist(err)) {
		t.Fatal(err)
	}
	for _, s := range broken(before, now) {
		t.Error(s)
	}
	if !*update || t.Failed() {
		return
	}
	b, err = proto.MarshalOptions{Deterministic: true}.Marshal(now)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(baseline, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// broken says in which ways a program made for one contract fails with another.
func broken(before, now *descriptorpb.FileDescriptorSet) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	messages, services := parts(now)
	oldMessages, oldServices := parts(before)
	for _, name := range sorted(oldMessages) {
		m, ok := messages[name]
		if !ok {
			say("message %s was removed", name)
			continue
		}
		for _, old := range oldMessages[name].Field {
			f := byNumber(m, old.GetNumber())
			if f == nil {
				if renumbered := byName(m, old.GetName()); renumbered != nil {
					say("%s.%s was %d and is %d", name, old.GetName(), old.GetNumber(), renumbered.GetNumber())
				} else {
					say("%s.%s was removed", name, old.GetName())
				}
				continue
			}
			if f.GetName() != old.GetName() {
				say("%s.%s became %s: the number %d meant something else", name, old.GetName(), f.GetName(), old.GetNumber())
			}
			if f.GetType() != old.GetType() || f.GetTypeName() != old.GetTypeName() {
				say("%s.%s was a %s %s and is a %s %s", name, old.GetName(),
					old.GetType(), old.GetTypeName(), f.GetType(), f.GetTypeName())
			}
			if f.GetLabel() != old.GetLabel() {
				say("%s.%s was %s and is %s", name, old.GetName(), old.GetLabel(), f.GetLabel())
			}
			if (f.OneofIndex == nil) != (old.OneofIndex == nil) || f.GetProto3Optional() != old.GetProto3Optional() {
				say("%s.%s went into a oneof, or out of it", name, old.GetName())
			}
		}
	}
	for _, name := range sorted(oldServices) {
		s, ok := services[name]
		if !ok {
			say("service %s was removed", name)
			continue
		}
		for _, old := range oldServices[name].Method {
			i := slices.IndexFunc(s.Method, func(m *descriptorpb.MethodDescriptorProto) bool { return m.GetName() == old.GetName() })
			if i < 0 {
				say("method %s.%s was removed", name, old.GetName())
				continue
			}
			m := s.Method[i]
			if m.GetInputType() != old.GetInputType() || m.GetOutputType() != old.GetOutputType() {
				say("method %s.%s takes or gives another message", name, old.GetName())
			}
			if m.GetClientStreaming() != old.GetClientStreaming() || m.GetServerStreaming() != old.GetServerStreaming() {
				say("method %s.%s streams otherwise", name, old.GetName())
			}
		}
	}
	return out
}

// parts lists messages, those in messages too, and services by their full names. There
// are no enums in the contract: see fault.proto.
func parts(set *descriptorpb.FileDescriptorSet) (map[string]*descriptorpb.DescriptorProto, map[string]*descriptorpb.ServiceDescriptorProto) {
	messages, services := map[string]*descriptorpb.DescriptorProto{}, map[string]*descriptorpb.ServiceDescriptorProto{}
	var add func(prefix string, ms []*descriptorpb.DescriptorProto)
	add = func(prefix string, ms []*descriptorpb.DescriptorProto) {
		for _, m := range ms {
			messages[prefix+m.GetName()] = m
			add(prefix+m.GetName()+".", m.NestedType)
		}
	}
	for _, f := range set.File {
		add(f.GetPackage()+".", f.MessageType)
		for _, s := range f.Service {
			services[f.GetPackage()+"."+s.GetName()] = s
		}
	}
	return messages, services
}

func byNumber(m *descriptorpb.DescriptorProto, n int32) *descriptorpb.FieldDescriptorProto {
	for _, f := range m.Field {
		if f.GetNumber() == n {
			return f
		}
	}
	return nil
}

func byName(m *descriptorpb.DescriptorProto, name string) *descriptorpb.FieldDescriptorProto {
	for _, f := range m.Field {
		if f.GetName() == name {
			return f
		}
	}
	return nil
}

func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func TestEveryBreakIsFound(t *testing.T) {
	// change finds a message or a service of a copy and breaks it.
	message := func(set *descriptorpb.FileDescriptorSet, name string) *descriptorpb.DescriptorProto {
		messages, _ := parts(set)
		return messages["headwater.plugin.v1."+name]
	}
	method := func(set *descriptorpb.FileDescriptorSet, service string, i int) *descriptorpb.MethodDescriptorProto {
		_, services := parts(set)
		return services["headwater.plugin.v1."+service].Method[i]
	}
	for name, c := range map[string]struct {
		do   func(set *descriptorpb.FileDescriptorSet)
		want string // "" when it breaks nothing
	}{
		"nothing": {func(*descriptorpb.FileDescriptorSet) {}, ""},
		"field added": {func(s *descriptorpb.FileDescriptorSet) {
			m := message(s, "Record")
			m.Field = append(m.Field, &descriptorpb.FieldDescriptorProto{Name: proto.String("new"), Number: proto.Int32(99)})
		}, ""},
		"message added": {func(s *descriptorpb.FileDescriptorSet) {
			s.File[0].MessageType = append(s.File[0].MessageType, &descriptorpb.DescriptorProto{Name: proto.String("New")})
		}, ""},
		"message moved to another file": {func(s *descriptorpb.FileDescriptorSet) {
			moved := s.File[0].MessageType[0]
			s.File[0].MessageType = s.File[0].MessageType[1:]
			s.File[1].MessageType = append(s.File[1].MessageType, moved)
		}, ""},
		"field removed": {func(s *descriptorpb.FileDescriptorSet) {
			m := message(s, "Record")
			m.Field = m.Field[1:]
		}, "headwater.plugin.v1.Record.id was removed"},
		"field renumbered": {func(s *descriptorpb.FileDescriptorSet) {
			message(s, "Record").Field[0].Number = proto.Int32(88)
		}, "headwater.plugin.v1.Record.id was 1 and is 88"},
		"field renamed": {func(s *descriptorpb.FileDescriptorSet) {
			message(s, "Record").Field[0].Name = proto.String("ident")
		}, "headwater.plugin.v1.Record.id became ident: the number 1 meant something else"},
		"field retyped": {func(s *descriptorpb.FileDescriptorSet) {
			message(s, "Record").Field[0].Type = descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum()
		}, "headwater.plugin.v1.Record.id was a TYPE_STRING  and is a TYPE_BYTES "},
		"message of a field changed": {func(s *descriptorpb.FileDescriptorSet) {
			message(s, "StreamRecord").Field[2].TypeName = proto.String(".headwater.plugin.v1.Event")
		}, "headwater.plugin.v1.StreamRecord.record was a TYPE_MESSAGE .headwater.plugin.v1.Record and is a TYPE_MESSAGE .headwater.plugin.v1.Event"},
		"field repeated": {func(s *descriptorpb.FileDescriptorSet) {
			message(s, "Record").Field[0].Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}, "headwater.plugin.v1.Record.id was LABEL_OPTIONAL and is LABEL_REPEATED"},
		"field out of a oneof": {func(s *descriptorpb.FileDescriptorSet) {
			message(s, "AttendMessage").Field[1].OneofIndex = nil
		}, "headwater.plugin.v1.AttendMessage.save_secret went into a oneof, or out of it"},
		"message removed": {func(s *descriptorpb.FileDescriptorSet) {
			message(s, "Inbound").Name = proto.String("Incoming")
		}, "message headwater.plugin.v1.Inbound was removed"},
		"values of a map retyped": {func(s *descriptorpb.FileDescriptorSet) {
			message(s, "Stored.CursorsEntry").Field[1].Type = descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum()
		}, "headwater.plugin.v1.Stored.CursorsEntry.value was a TYPE_BYTES  and is a TYPE_STRING "},
		"method removed": {func(s *descriptorpb.FileDescriptorSet) {
			method(s, "Channel", 0).Name = proto.String("Deliver")
		}, "method headwater.plugin.v1.Channel.Send was removed"},
		"method takes another message": {func(s *descriptorpb.FileDescriptorSet) {
			method(s, "Channel", 0).InputType = proto.String(".headwater.plugin.v1.Record")
		}, "method headwater.plugin.v1.Channel.Send takes or gives another message"},
		"streaming changed": {func(s *descriptorpb.FileDescriptorSet) {
			method(s, "Source", 1).ServerStreaming = nil
		}, "method headwater.plugin.v1.Source.Pull streams otherwise"},
		"service removed": {func(s *descriptorpb.FileDescriptorSet) {
			_, services := parts(s)
			services["headwater.plugin.v1.Channel"].Name = proto.String("Messages")
		}, "service headwater.plugin.v1.Channel was removed"},
	} {
		t.Run(name, func(t *testing.T) {
			before := contract()
			now, ok := proto.Clone(before).(*descriptorpb.FileDescriptorSet)
			if !ok {
				t.Fatal("a copy is something else")
			}
			c.do(now)
			got := broken(before, now)
			if c.want == "" && len(got) > 0 || c.want != "" && !slices.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// The files have no enum, so that a word that one side does not know is not lost.
func TestNoEnums(t *testing.T) {
	for _, f := range contract().File {
		if len(f.EnumType) > 0 {
			t.Errorf("%s has an enum: %s", f.GetName(), protojson.Format(f.EnumType[0]))
		}
	}
}
