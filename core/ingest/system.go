package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// Commit implements event.Committer. The event goes to the profile with the id;
// with "" it is about nobody, and is kept in the log alone. An event whose message
// id was committed before is DUPLICATE, and nothing is written, the operations
// neither. Races about the profile are run again here; one about an operation of
// the caller's is store.ErrConflict.
func (p *Pipeline) Commit(ctx context.Context, workspace string, in event.Input, profileID string, ops ...store.Op) (event.Result, error) {
	if in.Type == "" {
		in.Type = event.System
	}
	at := p.Clock.Now()
	if in.Sum == nil {
		in.Seal(at) // before the time is filled in, so that a repetition is known as one
	}
	if in.Timestamp.IsZero() {
		in.Timestamp = at
	}
	if err := p.gate.enter(1, 0); err != nil {
		return event.Result{}, err
	}
	defer p.leaveOne()
	for races := 1; ; races++ {
		r, err := p.commitSystem(ctx, workspace, &in, profileID, at, ops)
		if err == nil || races == 2*maxRaces || !ours(err, ops) || !pause(ctx, time.Duration(races)*time.Millisecond) {
			return r, outward(err)
		}
	}
}

// ours reports whether err is a lost race about something other than ops.
func ours(err error, ops []store.Op) bool {
	var c *store.ConflictError
	if !errors.As(err, &c) {
		return false
	}
	for i := range ops {
		if ops[i].ID == c.ID && ops[i].Spec.Name == c.Collection {
			return false
		}
	}
	return true
}

func (p *Pipeline) commitSystem(ctx context.Context, ws string, in *event.Input, profileID string, at time.Time, ops []store.Op) (event.Result, error) {
	key := event.SystemKey(ws, in.MessageID)
	r := event.Result{MessageID: in.MessageID, EventID: store.Rest(key), ProfileID: profileID, Status: event.Accepted}
	known, err := event.Events.Get(ctx, p.Store, key)
	if err != nil {
		return event.Result{}, fmt.Errorf("ingest: read event: %w", err)
	}
	if known != nil {
		r.ProfileID = ""
		repeated(&r, r.EventID, bytes.Equal(known.Sum, in.Sum))
		return r, nil
	}
	var e *event.Event
	var people *profile.Unit
	batch := make([]store.Op, 0, len(ops)+4)
	if profileID == "" {
		e = &event.Event{
			Meta: store.Meta{ID: key}, MessageID: in.MessageID, Type: in.Type, Name: in.Name,
			Timestamp: millis(in.Timestamp), ReceivedAt: millis(at), CommittedAt: millis(at), Source: profile.SystemSource,
			Properties: in.Properties, Traits: in.Traits, Context: in.Context, Sum: in.Sum,
		}
	} else {
		if people, err = p.Profiles.Begin(ctx, ws, nil, profileID); err != nil {
			return event.Result{}, err
		}
		if e, err = people.ApplyTo(profileID, in, profile.SystemSource, at); err != nil {
			return event.Result{}, err
		}
		r.ProfileID = people.ProfileOf(e.Part)
		batch = append(batch, people.Ops()...)
	}
	batch = append(append(batch, event.Events.Insert(e)), ops...)
	if err := p.commit(ctx, batch); err != nil {
		if people != nil {
			p.Profiles.Conflicted(people)
		}
		return event.Result{}, err
	}
	if people != nil {
		p.Profiles.Committed(people)
	}
	return r, nil
}

func (p *Pipeline) leaveOne() {
	p.gate.leave(1, 0)
	if p.gate.drained() {
		p.pokeAll()
	}
}

func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// outward turns an error of the store into the one that leaves the domain; a lost
// race stays what it is, for the caller to run again.
func outward(err error) error {
	var e *core.Error
	switch {
	case err == nil, errors.Is(err, store.ErrConflict), errors.As(err, &e):
		return err
	case errors.Is(err, store.ErrUnavailable):
		return unavailable(err)
	}
	return core.AsError(err)
}

func unavailable(err error) *core.Error {
	return core.Errorf(core.Unavailable, "STORE_UNAVAILABLE",
		"the store cannot answer now; send the events again").After(time.Second).Wrap(err)
}
