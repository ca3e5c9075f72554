package resolver

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

// maxIngest is how many events one call takes; the size of a request bounds it
// before this does, unless the events hold almost nothing.
const maxIngest = 5000

// Ingest answers Mutation.ingest.
func (r mutation) Ingest(ctx context.Context, in view.IngestInput) (*gen.IngestPayload, error) {
	if len(in.Events) > maxIngest {
		err := core.Errorf(core.Invalid, event.ReasonBatchTooLong, "at most %d events at once", maxIngest)
		return &gen.IngestPayload{UserErrors: []*core.Error{err.At("input", "events")}}, nil
	}
	ws := workspace(ctx)
	source, err := r.source(ctx, ws, in.Source)
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.IngestPayload{UserErrors: errs}, err
	}
	if err := r.Access.Spend(ctx, len(in.Events)); err != nil {
		return nil, err
	}
	sent, err := sentAt(in.SentAt)
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.IngestPayload{UserErrors: errs}, err
	}
	inputs := make([]event.Input, len(in.Events))
	for i := range in.Events {
		inputs[i] = event.DecodeMessage(message(&in.Events[i]), event.Defaults{ReceivedAt: r.Clock.Now(), SentAt: sent})
	}
	results, err := r.Resolver.Ingest.Ingest(ctx, ws, source, inputs)
	if err != nil {
		return nil, err
	}
	out := &gen.IngestPayload{Results: make([]*event.Result, len(results))}
	for i := range results {
		out.Results[i] = &results[i]
		switch results[i].Status {
		case event.Accepted, event.Duplicate:
			out.Accepted++
		default:
			out.Rejected++
		}
	}
	return out, nil
}

// source returns where the events come from: a write key says so itself, others
// name a source or get the one of this door.
func (r mutation) source(ctx context.Context, ws string, named *string) (string, error) {
	own := ""
	if a := core.ActorFrom(ctx); a != nil {
		own = a.Source
	}
	switch {
	case own != "" && named != nil && *named != own:
		return "", core.Errorf(core.Invalid, "SOURCE_FIXED", "this key sends for its own source only; leave source out").At("source")
	case own != "":
		return own, nil
	case named != nil:
		src, err := r.Events.Source(ctx, ws, *named)
		if err == nil && src == nil {
			err = core.Errorf(core.NotFound, "SOURCE", "no source has this id").At("source")
		}
		return *named, err
	}
	src, err := r.Events.EnsureSource(ctx, ws, event.SourceInput{Name: "GraphQL", Kind: event.SourceGraphQL})
	if err != nil {
		return "", err
	}
	return src.SourceID(), nil
}

func sentAt(text *scalar.LooseTime) (*time.Time, error) {
	if text == nil {
		return nil, nil
	}
	var s string
	if json.Unmarshal(*text, &s) == nil {
		if at, ok := event.ParseTime(s); ok {
			return &at, nil
		}
	}
	return nil, core.Errorf(core.Invalid, event.ReasonTimestamp, "sentAt is RFC 3339 text").At("sentAt")
}

// message writes an event as a message of the tracking protocol, so that both
// doors read the same.
func message(in *view.EventInput) []byte {
	var b bytes.Buffer
	b.WriteString(`{"type":`)
	member(&b, strings.ToLower(string(in.Type)))
	for _, m := range [...]struct {
		name string
		text *string
	}{
		{"messageId", in.MessageID}, {"userId", in.UserID}, {"anonymousId", in.AnonymousID}, {"event", in.Event},
		{"name", in.Name}, {"category", in.Category}, {"groupId", in.GroupID}, {"previousId", in.PreviousID},
	} {
		if m.text != nil {
			b.WriteString(`,"` + m.name + `":`)
			member(&b, *m.text)
		}
	}
	for _, m := range [...]struct {
		name string
		json []byte
	}{{"properties", in.Properties}, {"traits", in.Traits}, {"context", in.Context}, {"timestamp", timestamp(in.Timestamp)}} {
		if len(m.json) > 0 {
			b.WriteString(`,"` + m.name + `":`)
			b.Write(m.json)
		}
	}
	b.WriteByte('}')
	return b.Bytes()
}

func timestamp(t *scalar.LooseTime) []byte {
	if t == nil {
		return nil
	}
	return *t
}

func member(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	b.Truncate(b.Len() - 1)
}

// EventID answers IngestResult.eventId.
func (r resultFields) EventID(_ context.Context, res *event.Result) (*string, error) {
	return text(res.EventID), nil
}

// ProfileID answers IngestResult.profileId.
func (r resultFields) ProfileID(_ context.Context, res *event.Result) (*string, error) {
	return text(res.ProfileID), nil
}
