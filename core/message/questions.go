package message

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

func (r *round) consent(ctx context.Context, l *letter) error {
	if l.p.RestrictedFor(r.register.Chain(l.m.Purpose)) {
		l.fail(Skipped, CheckConsent, "RESTRICTED", r.now)
		return nil
	}
	w, err := r.s.Consent.Weigh(ctx, r.ws, l.who, l.m.Purpose, r.channel)
	if err != nil {
		return err
	}
	l.ops = append(l.ops, w.Op, w.Receipt)
	l.until = w.Until
	if w.Allowed {
		l.checks = append(l.checks, Check{Check: CheckConsent, Passed: true, Reason: w.Reason, At: r.now, Receipt: w.ReceiptID})
		return nil
	}
	status := Skipped
	if w.Reason == consent.ReasonWithdrawn || w.Reason == consent.ReasonDenied {
		status = Cancelled
	}
	l.fail(status, CheckConsent, w.Reason, r.now)
	l.checks[len(l.checks)-1].Receipt = w.ReceiptID
	l.ops = []store.Op{w.Receipt}
	return nil
}

func (r *round) suppression(ctx context.Context, letters []*letter) error {
	var asked []*letter
	var ids [][]event.Identifier
	for _, l := range letters {
		if !l.goes() {
			continue
		}
		if l.m.Test || len(l.ids) == 0 {
			l.pass(CheckSuppression, "NONE", r.now)
			continue
		}
		asked, ids = append(asked, l), append(ids, l.ids)
	}
	if len(asked) == 0 {
		return nil
	}
	found, err := r.s.Consent.Reach(ctx, r.ws, r.channel, ids)
	if err != nil {
		return err
	}
	for i, l := range asked {
		switch f := found[i]; {
		case f.Err != nil && (r.channel == Email || r.channel == SMS):
			l.fail(Skipped, CheckSuppression, "BAD_ADDRESS", r.now)
		case f.Reason != "":
			l.fail(Skipped, CheckSuppression, f.Reason, r.now)
		default:
			l.ops = append(l.ops, f.Ops...)
			l.pass(CheckSuppression, "NONE", r.now)
		}
	}
	return nil
}

func (r *round) caps(ctx context.Context, letters []*letter) error {
	var keys []string
	var of []*letter
	for _, l := range letters {
		if !l.goes() {
			continue
		}
		if l.m.Test || len(r.set.Caps) == 0 || l.p == nil {
			l.pass(CheckCap, "NONE", r.now)
			continue
		}
		parts := l.p.Parts[:min(len(l.p.Parts), 50)]
		if !slices.Contains(parts, l.p.ProfileID()) {
			parts = append(slices.Clone(parts), l.p.ProfileID())
		}
		for _, part := range parts { // what was reserved before a merge counts
			keys, of = append(keys, store.Key(r.ws, part)), append(of, l)
		}
	}
	places := map[*letter][]Place{}
	for len(keys) > 0 {
		n := min(len(keys), 500)
		found, err := Reservations.GetMany(ctx, r.s.Store, keys[:n])
		if err != nil {
			return storeError("read the caps", err)
		}
		for i, d := range found {
			l := of[i]
			if l.places == nil {
				l.places = &Reserved{Meta: store.Meta{ID: l.p.ID}}
			}
			if d != nil {
				places[l] = append(places[l], d.List...)
				if d.ID == l.p.ID {
					l.places = d
				}
			}
		}
		keys, of = keys[n:], of[n:]
	}
	for _, l := range letters {
		if !l.goes() || l.places == nil {
			continue
		}
		full, until := r.set.room(l.m, places[l], l.zone, r.now)
		switch {
		case full == nil:
			l.pass(CheckCap, "ROOM", r.now)
		case until.IsZero():
			l.fail(Skipped, CheckCap, "FULL", r.now)
		default:
			l.due = until
			l.fail(Deferred, CheckCap, "FULL", r.now)
		}
	}
	return nil
}

func (r *round) quiet(l *letter) {
	if l.m.Test || l.m.Quiet == QuietSend || l.p == nil {
		l.pass(CheckQuiet, "NONE", r.now)
		return
	}
	until := r.set.quietUntil(r.channel, l.zone, r.now)
	switch {
	case until.IsZero():
		l.pass(CheckQuiet, "NONE", r.now)
	case l.m.Quiet == QuietSkip:
		l.fail(Skipped, CheckQuiet, "QUIET", r.now)
	default:
		l.due = until
		l.fail(Deferred, CheckQuiet, "QUIET", r.now)
	}
}

func (r *round) guards(ctx context.Context, l *letter) error {
	said := false
	for _, g := range r.s.guards {
		st, err := g(ctx, r.ws, l.m)
		if err != nil {
			return err
		}
		c := st.Check
		if c == "" {
			c = CheckApproval
		}
		switch st.Verdict {
		case Hold:
			l.hold = st.Scope
			l.fail(Held, c, st.Reason, r.now)
			return nil
		case Cancel:
			l.fail(Cancelled, c, st.Reason, r.now)
			return nil
		}
		l.ops = append(l.ops, st.Ops...)
		if c == CheckApproval && st.Reason != "" {
			said = true
			l.pass(c, st.Reason, r.now)
		}
	}
	if !said {
		l.pass(CheckApproval, "NOT_REQUIRED", r.now)
	}
	return nil
}
