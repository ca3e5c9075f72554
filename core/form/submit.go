package form

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Sent is what a visitor submits.
type Sent struct {
	Values   map[string]string
	Consents map[string]bool // by key of the consents that were ticked
	Token    string          // of the form as it was opened
	ID       string          // the visitor's own id of the submission, up to 100 bytes; "" is that of the opening
	Known    string          // the token of the signed link that they came by; "" for none
	// AnonymousID is the id of the visitor's device, "" when it is not known.
	AnonymousID string
}

// Taken is what became of it.
type Taken struct {
	Submission *Submission
	Thanks     string
	GatedURL   string
	Pending    []string // purposes that wait for a confirmation
	Before     bool     // the same was submitted before: nothing was changed
}

var (
	errOpened = core.Errorf(core.Invalid, "FORM_EXPIRED", "the form was opened too long ago, or changed since; load it again").At("token")
	errRobot  = core.Errorf(core.Invalid, "FORM_TOO_FAST", "this was sent sooner than a person writes; try again in a moment").At("token")
)

// Submit takes what a visitor wrote. What is wrong with the answers is a Faults. What a
// robot wrote, by the field that people do not see, is answered as if it were taken, and
// is not: Taken.Submission is nil then.
func (s *Service) Submit(ctx context.Context, publicID string, in Sent) (*Taken, error) {
	ws, f, err := s.Find(ctx, publicID)
	if err != nil {
		return nil, err
	}
	d := f.Published
	if in.Values[honeypot] != "" {
		return &Taken{Thanks: d.Thanks}, nil
	}
	var o opened
	if len(in.Token) > 2000 || s.Tokens.Verify(ctx, ws, useOpened, in.Token, &o, s.now()) != nil || o.Form != f.FormID() {
		return nil, errOpened
	}
	if s.now().Before(o.At.Add(time.Duration(d.MinSeconds) * time.Second)) {
		return nil, errRobot
	}
	if len(in.ID) > 100 || len(in.AnonymousID) > 100 {
		return nil, core.Errorf(core.Invalid, "SUBMISSION_ID", "an id has at most 100 bytes").At("id")
	}
	if in.ID == "" {
		in.ID = o.Nonce
	}
	answers, traits, agreed, faults := d.answers(in.Values, in.Consents)
	if len(faults) > 0 {
		return nil, faults
	}
	ctx = core.WithActor(ctx, &core.Actor{Workspace: ws, ID: "system:form", Name: "form"})
	t := &taking{s: s, ws: ws, f: f, in: in, answers: answers, traits: traits, agreed: agreed}
	t.id = core.HashID(core.PrefixSubmission, f.FormID(), in.ID)
	t.sum = sumOf(bson.D{{Key: "answers", Value: answers}, {Key: "agreed", Value: agreed}})
	var out *Taken
	err = work.Retry(ctx, attempts, func() (err error) {
		out, err = t.take(ctx)
		return err
	})
	return out, err
}

// taking is one submission.
type taking struct {
	s       *Service
	ws      string
	f       *Form
	in      Sent
	id      string // sbm_…
	sum     []byte
	answers bson.D
	traits  bson.D
	agreed  []*Consent
}

// take is one attempt.
func (t *taking) take(ctx context.Context) (*Taken, error) {
	d := t.f.Published
	out := &Taken{Thanks: d.Thanks, GatedURL: d.GatedURL}
	had, err := Submissions.Get(ctx, t.s.Store, store.Key(t.ws, t.id))
	if err != nil {
		return nil, err
	}
	if had != nil {
		if string(had.Sum) != string(t.sum) {
			return nil, core.Errorf(core.Conflict, "SUBMISSION_ID_USED", "something else was submitted under this id; load the form again").At("id")
		}
		out.Submission, out.Before = had, true
		return out, nil
	}
	who, err := t.person(ctx)
	if err != nil {
		return nil, err
	}
	events := []event.SystemEvent{t.submitted(who)}
	var ops []store.Op
	var words []*consent.Prepared
	asks := &asking{t: t, who: who}
	for _, c := range t.agreed {
		p, err := t.s.Consent.Prepare(ctx, t.ws, consent.RecordInput{
			ProfileID: who, Purpose: c.Purpose, Channel: c.Channel, Status: consent.Granted, IdempotencyKey: t.id + "/" + c.Key,
			Evidence: &consent.Evidence{NoticeHash: NoticeHash(c.Text), Locale: d.Locale, Surface: "form " + t.f.FormID(), Method: "checkbox"},
		})
		if err != nil {
			return nil, err
		}
		events, ops, words = append(events, p.Event), append(ops, p.Ops...), append(words, p)
		if err := asks.ask(ctx, c, p); err != nil {
			return nil, err
		}
	}
	ops = append(ops, asks.all()...)
	out.Submission = &Submission{
		Meta: store.Meta{ID: store.Key(t.ws, t.id)}, Form: t.f.FormID(), Version: t.f.Version, Profile: who, At: t.s.now(), Sum: t.sum,
		Event: store.Rest(event.SystemKey(t.ws, events[0].Input.MessageID)),
	}
	results, err := t.s.Committer.CommitAll(ctx, t.ws, events, append(ops, Submissions.Insert(out.Submission))...)
	if err != nil {
		return nil, err
	}
	if results[0].Status != event.Accepted { // by a rival just now: read what it did
		return nil, store.ErrConflict
	}
	for _, channel := range asks.channels {
		t.s.Outbox.Wake(t.ws, channel)
	}
	for _, p := range words {
		r, err := t.s.Consent.Finish(ctx, t.ws, p)
		if err != nil {
			return nil, err
		}
		// Who has confirmed before is not asked again. The visitor is told the same: an address
		// that somebody else writes tells them nothing.
		if r.Entry.Status == consent.Pending || p.Repeats() {
			out.Pending = append(out.Pending, r.Entry.Purpose)
		}
	}
	return out, nil
}

// NoticeHash returns the hash of what was agreed to, as evidence has it.
func NoticeHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// person returns the id of whoever wrote. One whom nobody knows begins a profile: an event
// that holds the addresses alone, before the commit of everything else.
func (t *taking) person(ctx context.Context) (string, error) {
	if t.in.Known != "" {
		p, err := t.s.visitor(ctx, t.ws, t.f, t.in.Known)
		if err != nil {
			return "", err
		}
		if p != nil && t.same(p) {
			return p.ProfileID(), nil
		}
	}
	addresses := map[string]any{}
	for _, f := range t.f.Published.Fields {
		if f.Type == Email || f.Type == Phone {
			for _, a := range t.answers {
				if a.Key == f.Key {
					addresses[f.Trait] = a.Value
				}
			}
		}
	}
	device := t.in.AnonymousID
	if device == "" {
		device = "form-" + t.id
	}
	raw, err := json.Marshal(map[string]any{"type": "identify", "messageId": "form:" + t.id, "anonymousId": device, "traits": addresses})
	if err != nil {
		return "", err
	}
	in := event.DecodeMessage(raw, event.Defaults{ReceivedAt: t.s.now()})
	results, err := t.s.Committer.Ingest(ctx, t.ws, profile.SystemSource, []event.Input{in})
	if err != nil {
		return "", err
	}
	switch r := results[0]; r.Status {
	case event.Accepted:
		return r.ProfileID, nil
	case event.Duplicate: // of an attempt that went no further
		e, err := event.Events.Get(ctx, t.s.Store, store.Key(t.ws, r.EventID))
		if err != nil {
			return "", err
		}
		if e == nil {
			return "", core.Errorf(core.Internal, "INTERNAL", "internal error")
		}
		p, err := t.s.Profiles.Get(ctx, t.ws, e.Part)
		if err != nil || p == nil {
			return "", errors.Join(err, core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id"))
		}
		return p.ProfileID(), nil
	default:
		if r.Err != nil {
			return "", r.Err
		}
		return "", core.Errorf(core.Invalid, "NOT_TAKEN", "what was written cannot be taken")
	}
}

// same reports whether the addresses that were written are those of somebody who came by
// a link: it may have been passed on.
func (t *taking) same(p *profile.Profile) bool {
	for _, f := range t.f.Published.Fields {
		if f.Type != Email && f.Type != Phone {
			continue
		}
		for _, a := range t.answers {
			held := p.TraitAt(f.Trait)
			if a.Key == f.Key && (held == nil || plain(held.Value) != a.Value) {
				return false
			}
		}
	}
	return true
}

// submitted makes the event of the submission, which carries the traits too.
func (t *taking) submitted(who string) event.SystemEvent {
	props := bson.D{
		{Key: "form", Value: t.f.FormID()}, {Key: "name", Value: t.f.Name}, {Key: "version", Value: t.f.Version},
		{Key: "submission", Value: t.id}, {Key: "answers", Value: t.answers},
	}
	return event.SystemEvent{ProfileID: who, Input: event.Input{
		Type: event.System, Name: NameSubmitted, MessageID: "form:" + t.id, Properties: document(props), Traits: document(t.traits), Sum: t.sum,
	}}
}
