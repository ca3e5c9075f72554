package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// Commit implements event.Committer: it is CommitAll of one event. The event goes to
// the profile with the id; with "" it is about nobody, and is kept in the log alone.
// An event whose message id was committed before is DUPLICATE, and nothing is
// written, the operations neither. Races about the profile are run again here; one
// about an operation of the caller's is store.ErrConflict.
func (p *Pipeline) Commit(ctx context.Context, workspace string, in event.Input, profileID string, ops ...store.Op) (event.Result, error) {
	out, err := p.commitAll(ctx, workspace, []event.SystemEvent{{Input: in, ProfileID: profileID}}, ops)
	var at *eventError
	if errors.As(err, &at) {
		err = core.AsError(at.err)
	}
	if err != nil {
		return event.Result{}, err
	}
	return out[0], nil
}

// CommitAll implements event.Committer. An error about one of the events has the
// path "events", its index.
func (p *Pipeline) CommitAll(ctx context.Context, workspace string, events []event.SystemEvent, ops ...store.Op) ([]event.Result, error) {
	if n := len(events); n > event.MaxSystemEvents {
		return nil, core.Errorf(core.Invalid, "TOO_MANY", "commit at most %d events at once", event.MaxSystemEvents).At("events")
	}
	seen := make(map[string]bool, len(events))
	for i := range events {
		id := events[i].Input.MessageID
		if seen[id] {
			return nil, core.Errorf(core.Invalid, "MESSAGE_ID_TWICE", "two of the events have one messageId; give each its own").At("events", strconv.Itoa(i), "messageId")
		}
		seen[id] = true
	}
	out, err := p.commitAll(ctx, workspace, slices.Clone(events), ops)
	var at *eventError
	if errors.As(err, &at) {
		err = core.AsError(err).At("events", strconv.Itoa(at.index))
	}
	return out, err
}

// eventError says which event of a call an error is about.
type eventError struct {
	index int
	err   error
}

func (e *eventError) Error() string { return e.err.Error() }

func (e *eventError) Unwrap() error { return e.err }

// commitAll commits events, which are changed.
func (p *Pipeline) commitAll(ctx context.Context, workspace string, events []event.SystemEvent, ops []store.Op) ([]event.Result, error) {
	if len(events)+len(ops) == 0 {
		return nil, nil
	}
	at := p.Clock.Now()
	for i := range events {
		in := &events[i].Input
		if in.Type == "" {
			in.Type = event.System
		}
		if in.Sum == nil {
			in.Seal(at) // before the time is filled in, so that a repetition is known as one
		}
		if in.Timestamp.IsZero() {
			in.Timestamp = at
		}
	}
	n := max(1, len(events))
	if err := p.gate.enter(n, 0); err != nil {
		return nil, err
	}
	defer p.leave(n)
	for races := 1; ; races++ {
		out, err := p.commitSystem(ctx, workspace, events, at, ops)
		if err == nil || races == systemRaces || !ours(err, ops) || !pause(ctx, time.Duration(min(races, 20))*time.Millisecond) {
			return out, outward(err)
		}
	}
}

// ours reports whether err is a lost race about something other than ops.
func ours(err error, ops []store.Op) bool {
	var c *store.ConflictError
	if !errors.As(err, &c) {
		return errors.Is(err, store.ErrConflict) // what derives from people lost it
	}
	for i := range ops {
		if ops[i].ID == c.ID && ops[i].Spec.Name == c.Collection {
			return false
		}
	}
	return true
}

// commitSystem tries once. Results are returned without an error only.
func (p *Pipeline) commitSystem(ctx context.Context, ws string, events []event.SystemEvent, at time.Time, ops []store.Op) ([]event.Result, error) {
	out, known, err := p.lookSystem(ctx, ws, events)
	if err != nil || known {
		return out, err
	}
	var ids []string
	for i := range events {
		if id := events[i].ProfileID; id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	var people *profile.Unit
	if len(ids) > 0 {
		if people, err = p.Profiles.Begin(ctx, ws, nil, ids...); err != nil {
			return nil, err
		}
	}
	log := make([]store.Op, len(events))
	for i := range events {
		e, err := systemEvent(ws, people, &events[i], at)
		if err != nil {
			return nil, &eventError{i, err}
		}
		if people != nil && e.Part != "" {
			out[i].ProfileID = people.ProfileOf(e.Part)
		}
		log[i] = event.Events.Insert(e)
	}
	if people == nil {
		return out, p.commitSystemBatch(ctx, slices.Concat(log, ops))
	}
	derived, err := p.Profiles.Derive(ctx, people, ops)
	if err != nil {
		p.Profiles.Conflicted(people)
		return nil, err
	}
	err = p.commitSystemBatch(ctx, slices.Concat(people.Ops(), derived.Ops, log, ops))
	derived.Settle(err == nil)
	if err != nil {
		p.Profiles.Conflicted(people)
		return nil, err
	}
	p.Profiles.Committed(people)
	return out, nil
}

// lookSystem prepares the results of events. When all of them are on disk, known is
// true and the results say so; when some are, that is an error.
func (p *Pipeline) lookSystem(ctx context.Context, ws string, events []event.SystemEvent) (out []event.Result, known bool, err error) {
	keys := make([]string, len(events))
	for i := range events {
		keys[i] = event.SystemKey(ws, events[i].Input.MessageID)
	}
	docs, err := event.Events.GetMany(ctx, p.Store, keys)
	if err != nil {
		return nil, false, fmt.Errorf("ingest: read events: %w", err)
	}
	out = make([]event.Result, len(events))
	before := 0
	for i, key := range keys {
		in := &events[i].Input
		out[i] = event.Result{MessageID: in.MessageID, EventID: store.Rest(key), Status: event.Accepted}
		if docs[i] != nil {
			before++
			repeated(&out[i], store.Rest(key), bytes.Equal(docs[i].Sum, in.Sum))
		}
	}
	if before > 0 && before < len(events) {
		return nil, false, core.Errorf(core.Conflict, "PARTLY_COMMITTED",
			"some of these events were committed before and others were not; commit those that were together again, and the others in a call of their own").At("events")
	}
	return out, before > 0, nil
}

// systemEvent returns the event to insert, folded into its profile if it has one.
func systemEvent(ws string, people *profile.Unit, s *event.SystemEvent, at time.Time) (*event.Event, error) {
	in := &s.Input
	if s.ProfileID != "" {
		return people.ApplyTo(s.ProfileID, in, profile.SystemSource, at)
	}
	return &event.Event{
		Meta: store.Meta{ID: event.SystemKey(ws, in.MessageID)}, MessageID: in.MessageID, Type: in.Type, Name: in.Name,
		Timestamp: millis(in.Timestamp), ReceivedAt: millis(at), CommittedAt: millis(at), Source: profile.SystemSource,
		Properties: in.Properties, Traits: in.Traits, Context: in.Context, Sum: in.Sum,
	}, nil
}

// commitSystemBatch is commit with an error that says what to do about a batch that
// is too large.
func (p *Pipeline) commitSystemBatch(ctx context.Context, ops []store.Op) error {
	err := p.commit(ctx, ops)
	if errors.Is(err, store.ErrTooLarge) {
		return core.Errorf(core.Invalid, "BATCH_TOO_LARGE",
			"what follows from these events is more than one commit holds; commit fewer at once").Wrap(err)
	}
	return err
}

func (p *Pipeline) leave(n int) {
	p.gate.leave(n, 0)
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
