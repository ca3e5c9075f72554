package lead

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Conversion makes a customer of a lead.
type Conversion struct {
	ProfileID string
	Stage     string // "" is the machine's
	Reason    string
	// Record, if any, is written first: a deal, say. It is related to the person by
	// Relation.
	Record *RecordInput
	Key    string // makes a repetition harmless
}

// RecordInput is the record of a conversion.
type RecordInput struct {
	Type       string
	ExternalID string
	Fields     any    // a JSON object
	Relation   string // of the type to people; "" for none
}

// Converted is what became of a conversion.
type Converted struct {
	Standing
	Record *object.Record // nil: none was asked for
	Before bool           // the same call was made before: nothing was changed
}

// Convert converts a lead, once for each key. The record is written by its external id
// before the step is, so that a call that failed midway goes on where it stopped.
func (s *Service) Convert(ctx context.Context, ws string, in Conversion) (*Converted, error) {
	if in.Key == "" || len(in.Key) > 300 {
		return nil, core.Errorf(core.Invalid, "KEY", "give a key of 1 to 300 bytes, which makes a repetition of the call harmless").At("idempotencyKey")
	}
	m, err := s.Machine(ctx, ws)
	if err != nil {
		return nil, err
	}
	if in.Stage == "" {
		in.Stage = m.Converted
	}
	if in.Stage == "" {
		return nil, core.Errorf(core.Invalid, "STAGE_MISSING", "name the stage of whoever is converted; the workspace declares none").At("stage")
	}
	props := bson.D{{Key: "stage", Value: in.Stage}}
	if in.Record != nil {
		props = append(props, bson.E{Key: "type", Value: in.Record.Type}, bson.E{Key: "externalId", Value: in.Record.ExternalID})
	}
	e := saying(NameConverted, "lead:"+core.HashID("convert", in.Key), props, append(props, bson.E{Key: "profile", Value: in.ProfileID}))
	out := &Converted{}
	had, err := event.Events.Get(ctx, s.Store, event.SystemKey(ws, e.MessageID))
	if err != nil {
		return nil, work.Outward(err)
	}
	if had != nil {
		if string(had.Sum) != string(e.Sum) {
			return nil, core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_USED", "this key was used for something else; take another").At("idempotencyKey")
		}
		return s.converted(ctx, ws, m, in, &Converted{Before: true})
	}
	if err := s.allowed(ctx, ws, m, in); err != nil { // before anything is written
		return nil, err
	}
	if in.Record != nil {
		if out.Record, err = s.record(ctx, ws, in); err != nil {
			return nil, err
		}
	}
	err = work.Retry(ctx, attempts, func() error {
		st, err := s.move(ctx, ws, Move{ProfileID: in.ProfileID, Stage: in.Stage, Reason: in.Reason}, []event.SystemEvent{{ProfileID: in.ProfileID, Input: e}})
		if err == nil {
			out.Standing = *st
		}
		return err
	})
	if err != nil && core.AsError(err).Reason == "PARTLY_COMMITTED" { // by the same call, just now
		return s.converted(ctx, ws, m, in, &Converted{Record: out.Record, Before: true})
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// allowed refuses a conversion whose step is not.
func (s *Service) allowed(ctx context.Context, ws string, m *Machine, in Conversion) error {
	p, err := s.Profiles.Get(ctx, ws, in.ProfileID)
	if err != nil {
		return work.Outward(err)
	}
	if p == nil {
		return core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
	}
	l, err := Leads.Get(ctx, s.Store, p.ID)
	if err != nil {
		return work.Outward(err)
	}
	if from, _ := m.StageOf(l); from != in.Stage {
		if err := m.refusal(from, in.Stage); err != nil {
			return err
		}
	}
	return nil
}

// converted tells where somebody stands who was converted before.
func (s *Service) converted(ctx context.Context, ws string, m *Machine, in Conversion, out *Converted) (*Converted, error) {
	p, err := s.Profiles.Get(ctx, ws, in.ProfileID)
	if err != nil || p == nil {
		return out, work.Outward(err)
	}
	l, err := Leads.Get(ctx, s.Store, store.Key(ws, p.ProfileID()))
	out.Stage, out.Since = m.StageOf(l)
	return out, work.Outward(err)
}

// record writes the record of a conversion.
func (s *Service) record(ctx context.Context, ws string, in Conversion) (*object.Record, error) {
	if s.Objects == nil {
		return nil, core.Errorf(core.Invalid, "NO_RECORDS", "records are not kept here").At("record")
	}
	item := object.Item{ExternalID: in.Record.ExternalID, Fields: in.Record.Fields}
	if in.Record.Relation != "" {
		item.Links = map[string][]object.Link{in.Record.Relation: {{Namespace: object.ProfileNamespace, Value: in.ProfileID}}}
	}
	out, err := s.Objects.Upsert(ctx, ws, in.Record.Type, []object.Item{item})
	switch {
	case err != nil:
		return nil, core.AsError(err).At("record")
	case out[0].Err != nil:
		return nil, out[0].Err.At("record")
	}
	return out[0].Record, nil
}
