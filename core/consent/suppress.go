package consent

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// MaxSuppress is how many suppressions one call adds.
const MaxSuppress = 50_000

// suppressChunk is how many are committed at once, with one entry in the audit log.
const suppressChunk = 200

// SuppressInput is a suppression to add.
type SuppressInput struct {
	Identifier event.Identifier
	Channel    string // "" is every channel
	Reason     string
	Source     string
	ExpiresAt  *time.Time // nil: never
	Line       int        // of the list that it stands in; 0: in none
}

// SuppressResult is what became of one.
type SuppressResult struct {
	Suppression *Suppression // as it is now; nil with Err
	Changed     bool         // false: it held already, for as long at least
	Err         *core.Error  // what is wrong with the input
}

// Suppress adds suppressions, and returns what became of each, in their order: what is
// wrong with one does not hinder the others. The same again changes nothing, so a call
// that failed half way is made again.
func (s *Service) Suppress(ctx context.Context, ws string, list []SuppressInput, dryRun bool) ([]SuppressResult, error) {
	if len(list) > MaxSuppress {
		return nil, core.Errorf(core.Invalid, "TOO_MANY", "add at most %d suppressions at once", MaxSuppress)
	}
	out := make([]SuppressResult, 0, len(list))
	for chunk := range slices.Chunk(list, suppressChunk) {
		part, err := s.suppress(ctx, ws, chunk, dryRun)
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
	}
	return out, nil
}

func (s *Service) suppress(ctx context.Context, ws string, list []SuppressInput, dryRun bool) ([]SuppressResult, error) {
	out := make([]SuppressResult, len(list))
	keys := make([]string, len(list))
	macs := make([]string, len(list))
	for i, in := range list {
		if out[i].Err = in.check(s.now()); out[i].Err != nil {
			continue
		}
		n, ok, err := s.People.Normal(ctx, ws, in.Identifier)
		if err != nil {
			return nil, err
		}
		if !ok {
			out[i].Err = errIdentifier
			continue
		}
		if macs[i], err = s.mac(ctx, ws, n); err != nil {
			return nil, err
		}
		keys[i] = suppressionKey(ws, n.Namespace, macs[i], in.Channel, in.Reason)
	}
	err := retry(ctx, "write the suppressions", func() error {
		there, err := suppressions.GetMany(ctx, s.Store, slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return k == "" }))
		if err != nil {
			return err
		}
		var ids []event.Identifier
		now, done, changed := s.now(), map[string]*Suppression{}, map[string]bool{}
		for _, sup := range there {
			if sup != nil {
				done[sup.ID] = sup
			}
		}
		for i, in := range list {
			if out[i].Err != nil {
				continue
			}
			old := done[keys[i]]
			next := in.over(old, now)
			out[i].Changed = next != nil
			if next == nil {
				out[i].Suppression = old
				continue
			}
			next.ID, next.MAC, next.Actor = keys[i], macs[i], actor(ctx)
			out[i].Suppression, done[keys[i]] = next, next
			if !changed[keys[i]] {
				changed[keys[i]], ids = true, append(ids, in.Identifier)
			}
		}
		if dryRun || len(ids) == 0 {
			return nil
		}
		var ops []store.Op
		var moved []string
		for key := range changed {
			ops, moved = append(ops, suppressions.Put(done[key])), append(moved, done[key].MAC)
		}
		ops = append(ops, moveMarks(ws, moved)...)
		if ops, err = s.audited(ctx, Trace{
			Workspace: ws, Action: "suppression.add", Resource: "suppressions", Others: ids, Decision: core.Allow,
			Details: map[string]string{"entries": strconv.Itoa(len(ids)), "reason": list[0].Reason, "source": list[0].Source},
		}, ops...); err != nil {
			return err
		}
		if err := work.Commit(ctx, s.Store, ops...); err != nil {
			return err
		}
		for key := range changed {
			done[key].V++ // as it is stored now
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// over returns what a suppression becomes; nil when it holds as it is.
func (in *SuppressInput) over(old *Suppression, now time.Time) *Suppression {
	next := Suppression{
		Namespace: in.Identifier.Namespace, Channel: in.Channel, Reason: in.Reason, Source: in.Source, At: now, ExpiresAt: in.ExpiresAt,
	}
	if old == nil {
		return &next
	}
	next.Meta = old.Meta
	if !old.Holds(now) {
		return &next
	}
	if old.ExpiresAt == nil || in.ExpiresAt != nil && !in.ExpiresAt.After(*old.ExpiresAt) {
		return nil
	}
	next.At = old.At
	return &next
}

func (in *SuppressInput) check(now time.Time) *core.Error {
	if e := checkChannel(in.Channel); e != nil {
		return e
	}
	switch {
	case !slices.Contains(SuppressionReasons(), in.Reason):
		return core.Errorf(core.Invalid, "SUPPRESSION_REASON", "the reason is one of %s", strings.Join(SuppressionReasons(), ", ")).At("reason")
	case len(in.Source) > maxEvidence:
		return core.Errorf(core.Invalid, "SUPPRESSION_SOURCE", "a source has at most %d bytes", maxEvidence).At("source")
	case in.ExpiresAt != nil && !in.ExpiresAt.After(now):
		return core.Errorf(core.Invalid, "EXPIRES_PAST", "a suppression expires later than now").At("expiresAt")
	}
	return nil
}

// LiftInput ends a suppression.
type LiftInput struct {
	ID      string // sup_…
	Reason  string // why; never a personal value
	Governs bool   // the actor may lift what a person complained about, or asked to be erased for
	Edit
}

// Lift ends a suppression. One that was lifted already is returned as it is.
func (s *Service) Lift(ctx context.Context, ws string, in LiftInput) (*Suppression, error) {
	in.Reason = strings.TrimSpace(in.Reason)
	if in.Reason == "" || len(in.Reason) > maxText {
		return nil, core.Errorf(core.Invalid, "LIFT_REASON", "say why it is lifted, in at most %d bytes", maxText).At("reason")
	}
	var out *Suppression
	err := retry(ctx, "lift the suppression", func() error {
		old, err := s.Suppression(ctx, ws, in.ID)
		switch {
		case err != nil:
			return err
		case old == nil:
			return core.Errorf(core.NotFound, "SUPPRESSION", "there is no suppression with this id").At("id")
		case !in.Governs && (old.Reason == SuppressComplaint || old.Reason == SuppressErasure):
			return core.Errorf(core.Forbidden, "LIFT_PROTECTED", "what a person complained about or was erased for is lifted by somebody with the permission govern").At("id")
		case in.ExpectedVersion != nil && *in.ExpectedVersion != old.V:
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the suppression has version %d, not %d; read it and try again", old.V, *in.ExpectedVersion).At("expectedVersion")
		case old.Lifted:
			out = old
			return nil
		}
		next, now := *old, s.now()
		next.Lifted, next.LiftedAt, next.LiftedBy, next.LiftReason = true, &now, actor(ctx), in.Reason
		if out = &next; in.DryRun {
			return nil
		}
		ops, err := s.audited(ctx, Trace{
			Workspace: ws, Action: "suppression.lift", Resource: in.ID, Decision: core.Allow,
			Details: map[string]string{"reason": old.Reason, "channel": old.Channel, "why": in.Reason},
		}, suppressions.Replace(&next))
		if err != nil {
			return err
		}
		if err := work.Commit(ctx, s.Store, ops...); err != nil {
			return err
		}
		out, err = s.Suppression(ctx, ws, in.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
