package sync

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
)

// told is one thing that a vendor told of somebody's consent, and who that is.
type told struct {
	ConsentChange
	who     event.Identifier // as the ledger knows them
	address event.Identifier // of the channel; without a value there is none
	p       *profile.Profile // nil: nobody here has it yet
}

// takeConsents keeps what people decided at a vendor, however it came, by webhook or by
// pull; the same again changes nothing. A no is recorded for the purposes that the
// connection's syncs hand data over for on that channel, or for every purpose that can be
// objected to where there is none. STOP, a complaint and an address that does not exist
// suppress the address too. A yes is none here: nobody has its evidence; START lifts what
// STOP suppressed, no more.
func (s *Service) takeConsents(ctx context.Context, c *Connection, syncs []*Sync, list []ConsentChange) error {
	for part := range slices.Chunk(list, slice) {
		known, err := s.knownOf(ctx, c.Workspace(), part)
		if err != nil {
			return err
		}
		for i := range known {
			if err := s.takeConsent(ctx, c, syncs, &known[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// knownOf finds out whom changes are about, and leaves out those that name nobody.
func (s *Service) knownOf(ctx context.Context, ws string, list []ConsentChange) ([]told, error) {
	var out []told
	var ids []event.Identifier
	for _, change := range list {
		t := told{ConsentChange: change}
		if namespace := addressOf(change.Channel); namespace != "" {
			t.address = event.Identifier{Namespace: namespace, Value: strings.TrimSpace(change.Identifiers[namespace])}
		}
		t.who = t.address
		for _, name := range []string{profile.Email, profile.Phone, profile.UserID, "externalId"} {
			if v := strings.TrimSpace(change.Identifiers[name]); v != "" && t.who.Value == "" {
				if name == "externalId" {
					name = profile.UserID
				}
				t.who = event.Identifier{Namespace: name, Value: v}
			}
		}
		if t.who.Value != "" && change.Key != "" {
			out, ids = append(out, t), append(ids, t.who)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	people, err := s.Profiles.ByIdentifiers(ctx, ws, ids)
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].p = people[i]
	}
	return out, nil
}

// addressOf is the namespace of what a channel sends to.
func addressOf(channel string) string {
	switch channel {
	case consent.Email:
		return profile.Email
	case consent.SMS:
		return profile.Phone
	}
	return ""
}

// suppressing are the reasons for which nothing is sent to an address, whatever for.
var suppressing = []string{ReasonStopWord, ReasonComplaint, ReasonHardBounce}

func (s *Service) takeConsent(ctx context.Context, c *Connection, syncs []*Sync, t *told) error {
	if t.Granted {
		if !t.Fresh {
			return nil
		}
		return s.restarted(ctx, c, t)
	}
	if slices.Contains(suppressing, t.Reason) {
		if err := s.suppress(ctx, c, t); err != nil {
			return err
		}
	}
	if t.Reason == ReasonHardBounce {
		return nil
	}
	purposes, err := s.purposesOf(ctx, c, syncs, t.Channel)
	if err != nil {
		return err
	}
	asked := false
	for _, purpose := range purposes {
		if t.p != nil {
			if status, _ := consentOf(t.p, purpose, t.Channel, s.now()); status == consent.Denied || status == consent.Withdrawn {
				continue // so it is already
			}
			if !asked {
				asked = true
				if ours, err := s.toldEnd(ctx, c, t.p); err != nil || ours {
					return err
				}
			}
		}
		in := consent.RecordInput{
			Identifier: &t.who, Purpose: purpose, Channel: t.Channel, Status: consent.Denied,
			IdempotencyKey: "sync:" + core.HashID(core.PrefixHook, c.ConnectionID(), t.Key, t.Channel, purpose),
		}
		if !t.At.IsZero() && t.At.Before(s.now()) {
			in.At = &t.At
		}
		if _, err := s.Consent.Record(ctx, c.Workspace(), in); err != nil && core.CodeOf(err) != core.Invalid && core.CodeOf(err) != core.NotFound {
			return err
		}
	}
	return nil
}

// purposesOf lists the purposes that a no on a channel is about.
func (s *Service) purposesOf(ctx context.Context, c *Connection, syncs []*Sync, channel string) ([]string, error) {
	var out []string
	for _, y := range syncs {
		if y.Direction.pushes() && y.Channel == channel && !slices.Contains(out, y.Purpose) {
			out = append(out, y.Purpose)
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	r, err := s.Consent.Register(ctx, c.Workspace())
	if err != nil {
		return nil, err
	}
	for _, key := range r.Keys() {
		if p := r.Purpose(key); p.Objectionable() && !p.Archived {
			out = append(out, key)
		}
	}
	return out, nil
}

// toldEnd reports whether this vendor was told by us that somebody's consent is over: what
// it tells then is what we said, and not the person's word.
func (s *Service) toldEnd(ctx context.Context, c *Connection, p *profile.Profile) (bool, error) {
	links, err := s.linksOf(ctx, c.Workspace(), c.ConnectionID(), partsOf(p))
	return slices.ContainsFunc(links, func(l *Link) bool {
		return l.Told == consent.ReasonExpired || l.Told == withheldSuppressed
	}), err
}

// suppress keeps an address from being sent to; what somebody lifted since it was told
// stays lifted.
func (s *Service) suppress(ctx context.Context, c *Connection, t *told) error {
	if t.address.Value == "" {
		return nil
	}
	ws := c.Workspace()
	lifted, err := s.Consent.Suppressions(ctx, ws, consent.SuppressionFilter{Identifier: &t.address, Channel: &t.Channel, Reason: t.Reason, Lifted: true}, core.Window{Limit: 1})
	if err != nil {
		if core.CodeOf(err) == core.Invalid { // no address
			return nil
		}
		return err
	}
	for _, sup := range lifted.Items {
		if sup.LiftedAt != nil && !t.At.After(*sup.LiftedAt) {
			return nil
		}
	}
	_, err = s.Consent.Suppress(ctx, ws, []consent.SuppressInput{{Identifier: t.address, Channel: t.Channel, Reason: t.Reason, Source: c.ConnectionID()}}, false)
	return err
}

// restarted lifts what an earlier STOP suppressed.
func (s *Service) restarted(ctx context.Context, c *Connection, t *told) error {
	if t.address.Value == "" {
		return nil
	}
	ws := c.Workspace()
	held, err := s.Consent.Suppressions(ctx, ws, consent.SuppressionFilter{Identifier: &t.address, Channel: &t.Channel, Reason: consent.SuppressStopWord}, core.Window{Limit: 1})
	if err != nil {
		if core.CodeOf(err) == core.Invalid {
			return nil
		}
		return err
	}
	for _, sup := range held.Items {
		if !t.At.IsZero() && t.At.Before(sup.At) {
			continue // said before the STOP, told after it
		}
		if _, err := s.Consent.Lift(ctx, ws, consent.LiftInput{ID: sup.SuppressionID(), Reason: "the person answered START"}); err != nil {
			return err
		}
	}
	return nil
}
