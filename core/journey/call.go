package journey

import (
	"context"
	"encoding/json"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// handleCall carries out the call of a webhook node: once at least, under one key.
func (s *Service) handleCall(ctx context.Context, l *work.Lease) error {
	if s.Caller == nil {
		return work.Permanent(core.Errorf(core.Unavailable, "NO_WEBHOOKS", "nothing here calls webhooks"))
	}
	var c calling
	if err := l.Payload(&c); err != nil {
		return work.Permanent(err)
	}
	ws := l.Task().Workspace
	ctx = core.WithActor(ctx, access.System(ws, "journeys"))
	if j, err := s.Journey(ctx, ws, c.Journey); err != nil {
		return err
	} else if j == nil || j.Mode == Stopped || j.Mode == Archived {
		return l.Complete(ctx)
	} else if j.Mode == Paused {
		return l.Reschedule(ctx, s.Clock.Now().Add(lanePoll*100), nil)
	}
	var body any
	switch {
	case c.Body != "":
		body = json.RawMessage(c.Body)
	default:
		properties := c.Data
		if c.Event != "" {
			e, err := event.Events.Get(ctx, s.Store, store.Key(ws, c.Event))
			if err != nil {
				return err
			}
			if e != nil {
				properties = e.Properties
			}
		}
		body = map[string]any{"journeyId": c.Journey, "enrollmentId": c.Enrollment, "nodeId": c.Node, "event": plain(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: orEmpty(properties)})}
	}
	secrets, err := s.SigningSecrets(ctx, ws, c.Secret)
	if err != nil {
		return err
	}
	if err := s.Caller.Call(ctx, ws, l.Task().Name, CallWebhook{URL: c.URL, Headers: c.Headers, Secret: c.Secret}, secrets, body); err != nil {
		return err
	}
	return l.Complete(ctx)
}

func orEmpty(doc bson.Raw) bson.Raw {
	if len(doc) == 0 {
		return emptyDocument
	}
	return doc
}
