package message

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// letter is one message on its way through a round.
type letter struct {
	m      *Message
	p      *profile.Profile
	who    *consent.Subject
	again  bool // it was HANDED and nobody answered: it may only go again under its key
	made   Template
	zone   *time.Location
	to     string
	ids    []event.Identifier
	checks []Check
	ops    []store.Op // what its hand-off demands and stores beside its document
	places *Reserved
	until  time.Time // its verdicts hold before

	status Status // "" while it goes
	check  SendCheck
	reason string
	hold   string
	due    time.Time

	content Content
	links   *consent.LetterLinks
	next    *Message // as the hand-off stores it
}

func (l *letter) pass(c SendCheck, reason string, now time.Time) {
	l.checks = append(l.checks, Check{Check: c, Passed: true, Reason: reason, At: now})
}

// fail says that a message does not go, and what becomes of it.
func (l *letter) fail(status Status, c SendCheck, reason string, now time.Time) {
	l.status, l.check, l.reason = status, c, reason
	l.checks = append(l.checks, Check{Check: c, Reason: reason, At: now})
	if status == Held && l.hold == "" {
		l.hold = string(c) + ":" + reason
	}
}

func (l *letter) goes() bool { return l.status == "" }

// round is one look at some messages of a lane.
type round struct {
	s         *Service
	ws        string
	channel   string
	now       time.Time
	set       *Settings
	route     *route
	control   *Control
	stands    store.Op // the check of the control
	register  *consent.Register
	templates map[string]Template
	faults    map[string]error
	gates     map[string]*gate  // by purpose
	agreed    map[string]string // by purpose: why nothing is handed to who carries it
}

func (s *Service) newRound(ctx context.Context, ws, lane, channel string) (*round, error) {
	r := &round{s: s, ws: ws, channel: channel, now: s.now(), templates: map[string]Template{}, faults: map[string]error{}, gates: map[string]*gate{}, agreed: map[string]string{}}
	var err error
	if r.set, err = s.settings(ctx, ws); err != nil {
		return nil, err
	}
	if r.route, err = s.route(ctx, ws, channel); err != nil {
		return nil, err
	}
	if r.control, r.stands, err = s.control(ctx, ws, lane); err != nil {
		return nil, err
	}
	r.register, err = s.Consent.Register(ctx, ws)
	return r, err
}

// people reads those whom messages are for, and returns one letter for each person: the one
// of the highest priority. The others wait for the next round.
func (r *round) people(ctx context.Context, list []*Message) ([]*letter, error) {
	slices.SortStableFunc(list, func(a, b *Message) int { return int(b.Priority - a.Priority) })
	var ids []string
	for _, m := range list {
		if m.Part != "" && !slices.Contains(ids, m.Part) {
			ids = append(ids, m.Part)
		}
	}
	found := map[string]*profile.Profile{}
	if len(ids) > 0 {
		people, err := r.s.Profiles.GetMany(ctx, r.ws, ids)
		if err != nil {
			return nil, err
		}
		for i, p := range people {
			found[ids[i]] = p
		}
	}
	seen := map[string]bool{}
	var out []*letter
	for _, m := range list {
		l := &letter{m: m, p: found[m.Part], again: m.Status == Handed}
		if l.p != nil {
			if seen[l.p.ID] {
				continue
			}
			seen[l.p.ID] = true
			l.who = l.p.ConsentSubject()
		}
		l.zone = r.set.zoneOf(l.p)
		out = append(out, l)
	}
	return out, nil
}

// ask asks every question about some messages. What is rendered is rendered last: nobody's
// data is used for what is not sent.
func (r *round) ask(ctx context.Context, letters []*letter) error {
	for _, l := range letters {
		if err := r.postpone(ctx, l, CheckTemplate, r.first(ctx, l)); err != nil {
			return err
		}
	}
	if err := r.suppression(ctx, letters); err != nil {
		return err
	}
	if err := r.caps(ctx, letters); err != nil {
		return err
	}
	for _, l := range letters {
		if !l.goes() {
			continue
		}
		r.quiet(l)
		if l.goes() {
			if err := r.postpone(ctx, l, CheckApproval, r.guards(ctx, l)); err != nil {
				return err
			}
		}
		if l.goes() {
			l.pass(CheckSwitch, "NOT_STOPPED", r.now)
			if err := r.postpone(ctx, l, CheckTemplate, r.render(ctx, l)); err != nil {
				return err
			}
		}
	}
	return nil
}

// postponeFor is when what could not be asked is asked again.
const postponeFor = 30 * time.Second

// postpone puts off one message about which a question could not be answered: it holds
// nobody else up. A store that cannot answer ends the round.
func (r *round) postpone(ctx context.Context, l *letter, c SendCheck, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) {
		return err
	}
	r.s.Logger.Warn("message: ask", "message", l.m.MessageID(), "check", string(c), "reason", core.AsError(err).Reason)
	l.due = r.now.Add(postponeFor)
	l.fail(Deferred, c, "ERROR", r.now)
	return nil
}

// first asks whether there is a template, a channel and consent.
func (r *round) first(ctx context.Context, l *letter) error {
	m := l.m
	if off := r.control.off(r.channel); off != nil {
		l.hold = string(CheckSwitch) + ":" + off.Channel
		l.fail(Held, CheckSwitch, "OFF", r.now)
		return nil
	}
	t, err := r.template(ctx, m)
	if err != nil {
		switch e := core.AsError(err); e.Code {
		case core.NotFound, core.Conflict, core.Invalid:
			l.fail(Skipped, CheckTemplate, e.Reason, r.now)
			return nil
		}
		return err
	}
	if l.made = t; t != nil {
		if c := t.Channel(); c != "" && c != r.channel {
			l.fail(Skipped, CheckTemplate, "OTHER_CHANNEL", r.now)
			return nil
		}
	}
	l.pass(CheckTemplate, "PUBLISHED", r.now)
	if r.route.blocked != "" {
		l.hold = string(CheckChannel) + ":" + r.channel
		l.fail(Held, CheckChannel, r.route.blocked, r.now)
		return nil
	}
	switch reason, err := r.agreement(ctx, m.Purpose); {
	case err != nil:
		return err
	case reason != "":
		l.hold = string(CheckChannel) + ":" + r.channel + ":" + m.Purpose
		l.fail(Held, CheckChannel, reason, r.now)
		return nil
	}
	switch ok, err := r.wayOut(ctx, m); {
	case err != nil:
		return err
	case !ok:
		l.hold = string(CheckChannel) + ":" + r.channel + ":" + reasonNoPublicURL
		l.fail(Held, CheckChannel, reasonNoPublicURL, r.now)
		return nil
	}
	if l.p == nil && !m.Test {
		l.pass(CheckChannel, "READY", r.now)
		l.fail(Cancelled, CheckConsent, "NOBODY", r.now)
		return nil
	}
	if reason := r.address(ctx, l); reason != "" {
		l.fail(Skipped, CheckChannel, reason, r.now)
		return nil
	}
	l.pass(CheckChannel, "READY", r.now)
	if m.Test {
		l.pass(CheckConsent, "TEST", r.now)
		return nil
	}
	return r.consent(ctx, l)
}

// wayOut reports whether who gets a message could say with it that they want no more: an
// e-mail for a purpose that can be objected to waits until a public URL is known, to which its
// links lead.
func (r *round) wayOut(ctx context.Context, m *Message) (bool, error) {
	if r.channel != Email || m.Test || r.s.Consent.URL != "" {
		return true, nil
	}
	purposes, err := r.s.Consent.Register(ctx, r.ws)
	if err != nil {
		return false, err
	}
	p := purposes.Purpose(m.Purpose)
	return p == nil || !p.Objectionable(), nil
}

// agreement returns why nothing may be handed to the vendor of the channel for a purpose: it
// takes an agreement. The vendor's own hand-off asks it once more.
func (r *round) agreement(ctx context.Context, purpose string) (string, error) {
	if r.route.conn == nil {
		return "", nil
	}
	if why, ok := r.agreed[purpose]; ok {
		return why, nil
	}
	why := ""
	if r.route.conn.Processor == "" {
		why = "AGREEMENT_MISSING"
	} else if err := r.s.Consent.ProcessorAllowed(ctx, r.ws, r.route.conn.Processor, purpose); err != nil {
		e := core.AsError(err)
		if e.Code != core.Forbidden {
			return "", err
		}
		why = e.Reason
	}
	r.agreed[purpose] = why
	return why, nil
}

func (r *round) template(ctx context.Context, m *Message) (Template, error) {
	if m.Template == "" {
		return nil, nil // what it says is in its data
	}
	key := m.Template + "/" + itoa(m.TemplateVersion)
	if err, ok := r.faults[key]; ok {
		return nil, err
	}
	if t, ok := r.templates[key]; ok {
		return t, nil
	}
	if r.s.Templates == nil {
		return nil, core.Errorf(core.NotFound, "TEMPLATE", "there is no such template")
	}
	t, err := r.s.Templates.Published(ctx, r.ws, m.Template, m.TemplateVersion)
	if err != nil {
		r.faults[key] = err
		return nil, err
	}
	r.templates[key] = t
	return t, nil
}

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

// conflictOf returns what a lost race was about, or nil.
func conflictOf(err error) *store.ConflictError {
	var c *store.ConflictError
	if errors.As(err, &c) {
		return c
	}
	return nil
}
