package consent

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// SuppressErased returns the operations that suppress identifiers because whoever held
// them was erased at an instant: source says by what request. They are committed with
// the erasure, so that a person who comes back is suppressed from the first event on.
func (s *Service) SuppressErased(ctx context.Context, ws string, ids []event.Identifier, source string, at time.Time) ([]store.Op, error) {
	keys, macs := make([]string, len(ids)), make([]string, len(ids))
	for i, id := range ids {
		var err error
		if macs[i], err = s.mac(ctx, ws, id); err != nil {
			return nil, err
		}
		keys[i] = suppressionKey(ws, id.Namespace, macs[i], "", SuppressErasure)
	}
	there, err := suppressions.GetMany(ctx, s.Store, keys)
	if err != nil {
		return nil, err
	}
	ops := moveMarks(ws, macs)
	for i, old := range there {
		next := &Suppression{Namespace: ids[i].Namespace, MAC: macs[i], Reason: SuppressErasure, Source: source, Actor: actor(ctx), At: at}
		if next.ID = keys[i]; old != nil {
			if !old.At.Before(at) && !old.Lifted && old.ExpiresAt == nil {
				continue
			}
			next.Meta = old.Meta
		}
		ops = append(ops, suppressions.Put(next))
	}
	return ops, nil
}

// Guarded lists the purposes that somebody who was erased and came back is out of until
// they agree anew: those that need consent.
func (s *Service) Guarded(ctx context.Context, ws string) ([]string, error) {
	r, err := s.Register(ctx, ws)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, key := range r.keys {
		if r.purposes[key].ConsentRequired {
			out = append(out, key)
		}
	}
	return out, nil
}

// erasedBefore returns the suppressions of a person's identifiers that erasures left,
// as they were at an instant.
func (s *Service) erasedBefore(ctx context.Context, ws string, who *Subject, channel string, at time.Time) ([]*Suppression, error) {
	channels := []string{""}
	if channel != "" {
		channels = append(channels, channel)
	}
	var keys []string
	for _, id := range who.Identifiers {
		mac, err := s.mac(ctx, ws, id)
		if err != nil {
			return nil, err
		}
		for _, c := range channels {
			keys = append(keys, suppressionKey(ws, id.Namespace, mac, c, SuppressErasure))
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	found, err := suppressions.GetMany(ctx, s.Store, keys)
	if err != nil {
		return nil, err
	}
	var out []*Suppression
	for _, sup := range found {
		if sup != nil && sup.held(at) {
			out = append(out, sup)
		}
	}
	return out, nil
}

// held reports whether the suppression held at an instant that may be past.
func (s *Suppression) held(at time.Time) bool {
	then := *s
	if s.LiftedAt != nil && s.LiftedAt.After(at) {
		then.Lifted = false
	}
	return !s.At.After(at) && then.Holds(at)
}

// judge is Decide with what stands against a person whatever they said: processing that
// is restricted, and an erasure after which nothing was agreed to anew.
func (s *Service) judge(ctx context.Context, ws string, r *Register, who *Subject, purpose, channel string, at time.Time) (Verdict, error) {
	v := r.Decide(who.Words(at), who.Country(r), purpose, channel, at)
	p := r.purposes[purpose]
	if !v.Allowed || p == nil {
		return v, nil
	}
	if who.Restricted != nil && who.Restricted(r.chains[purpose]) {
		return Verdict{Reason: ReasonRestricted}, nil
	}
	if p.ConsentRequired || channel != "" && p.Objectionable() {
		found, err := s.erasedBefore(ctx, ws, who, channel, at)
		if err != nil {
			return Verdict{}, storeError("read the suppressions", err)
		}
		if len(found) > 0 {
			return Verdict{Reason: ReasonSuppressed}, nil
		}
	}
	return v, nil
}

// agreedAnew returns the operations that lift what erasures left of a person, to be
// committed with a yes that was recorded with evidence and said later than they were.
func (s *Service) agreedAnew(ctx context.Context, ws string, who *Subject, channel, entry string, at time.Time) ([]store.Op, error) {
	found, err := s.erasedBefore(ctx, ws, who, channel, s.now())
	if err != nil {
		return nil, storeError("read the suppressions", err)
	}
	var ops []store.Op
	for _, sup := range found {
		if !at.After(sup.At) {
			continue
		}
		next, now := *sup, s.now()
		next.Lifted, next.LiftedAt, next.LiftedBy, next.LiftReason = true, &now, actor(ctx), "agreed anew: "+entry
		ops = append(ops, suppressions.Replace(&next))
	}
	return ops, nil
}

// anew puts the operations of agreedAnew together with the trace that tells of them.
func (s *Service) anew(ctx context.Context, ws string, who *Subject, say Saying, evidence bool, entry string, at time.Time) ([]store.Op, error) {
	if say.Status != Granted || !evidence {
		return nil, nil
	}
	ops, err := s.agreedAnew(ctx, ws, who, say.Channel, entry, at)
	if err != nil || len(ops) == 0 {
		return nil, err
	}
	return s.audited(ctx, Trace{
		Workspace: ws, Action: "suppression.lift", Resource: entry, Profiles: []string{who.ID}, Decision: core.Allow,
		Details: map[string]string{"reason": SuppressErasure, "why": "agreed anew"},
	}, ops...)
}
