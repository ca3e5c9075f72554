package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// trialTime is how long a change may be on trial before others take it for left
// behind.
const trialTime = 15 * time.Minute

func sameValue(a, b bson.RawValue) bool { return a.Type == b.Type && bytes.Equal(a.Value, b.Value) }

// rehearse compares the records with a change and writes nothing.
func (s *Service) rehearse(ctx context.Context, t *Type, p *plan) (*TypeResult, error) {
	out := &TypeResult{Type: p.next}
	if len(p.narrowed) == 0 {
		return out, nil
	}
	in := newInspection(t, p.narrowed)
	if err := s.inspect(ctx, t, in); err != nil {
		return nil, err
	}
	out.Checked, out.Breaks = in.checked, in.list()
	return out, nil
}

// try puts a change on trial, so that no record that breaks it is written any more,
// compares the records with it, and publishes or drops it.
func (s *Service) try(ctx context.Context, t *Type, p *plan) (*TypeResult, error) {
	trial := *t
	trial.Trial = &Trial{Fields: p.next.Fields, Relations: p.next.Relations, Until: s.o.Clock.Now().Add(trialTime)}
	if err := s.commitQuietly(ctx, t.Workspace(), trial.put(false)...); err != nil {
		return nil, err
	}
	trial.V++
	in := newInspection(&trial, p.narrowed)
	err := s.inspect(ctx, &trial, in)
	if err == nil && len(in.breaks) == 0 {
		err = s.claimAll(ctx, &trial, in)
	}
	if err == nil {
		if breaks := in.list(); len(breaks) > 0 {
			err = broken(breaks)
		}
	}
	if err == nil {
		var out *TypeResult
		if out, err = s.publish(ctx, &trial, p, &TypeResult{Checked: in.checked}); err == nil {
			return out, nil
		}
	}
	// Also when the request has ended: a trial that stays holds others up.
	wctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if _, derr := s.dropTrial(wctx, &trial); derr != nil && !errors.Is(derr, store.ErrConflict) {
		s.o.Logger.Warn("a trial of an object type was left behind", "type", t.Key, "error", core.CodeOf(derr))
	}
	for _, n := range p.narrowed {
		if n.field != nil && n.field.Claim != "" && (fieldByID(t.Fields, n.field.ID) == nil || fieldByID(t.Fields, n.field.ID).Claim != n.field.Claim) {
			s.dropClaims(wctx, t.Workspace(), t.Key, n.field.Claim)
		}
	}
	return nil, err
}

// dropTrial ends a trial without publishing it.
func (s *Service) dropTrial(ctx context.Context, t *Type) (*Type, error) {
	next := *t
	next.Trial, next.Deleting = nil, ""
	if err := s.commitQuietly(ctx, t.Workspace(), next.put(false)...); err != nil {
		return nil, err
	}
	next.V++
	return &next, nil
}

// broken is the answer to a change that records are in the way of.
func broken(breaks []Break) *core.Error {
	var parts []string
	for _, b := range breaks[:min(3, len(breaks))] {
		parts = append(parts, fmt.Sprintf("%d break %s (%s): %s", b.Count, strings.Join(b.Path, "."), b.Message, strings.Join(b.ExternalIDs, ", ")))
	}
	return core.Errorf(core.Conflict, "RECORDS_BREAK", "records are in the way of the change; correct or delete them first. %s", strings.Join(parts, "; ")).At(breaks[0].Path...)
}

// unused refuses a change while something uses one of the keys.
func (s *Service) unused(ctx context.Context, t *Type, uses []use) error {
	for _, u := range uses {
		if s.o.Uses == nil {
			return nil
		}
		by, err := s.o.Uses(ctx, t.Workspace(), t.Key, u.key)
		if err != nil {
			return err
		}
		if len(by) > 0 {
			return core.Errorf(core.Conflict, "IN_USE", "%s of the object type %s is used by %s", u.key, t.Key, someOf(by)).At(u.path...)
		}
	}
	return nil
}

// someOf lists at most 20 names.
func someOf(names []string) string {
	out := strings.Join(names[:min(20, len(names))], ", ")
	if more := len(names) - 20; more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}
