package form

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
)

// sign submits the form for an address, and returns what the visitor is told.
func (r *rig) sign(f *Form, email string) *Taken {
	r.t.Helper()
	v := r.open(f, "")
	r.clock.Advance(4 * time.Second)
	out, err := r.Submit(r.ctx, f.PublicID(), Sent{Values: map[string]string{"email": email}, Consents: map[string]bool{"news": true, "offers": true}, Token: v.Token})
	require.NoError(r.t, err)
	return out
}

func (r *rig) status(profileID, purpose string) string {
	r.t.Helper()
	p, err := r.Profiles.Get(r.ctx, rigWS, profileID)
	require.NoError(r.t, err)
	now := r.clock.Now()
	status, _ := consent.Status(p.Words(now), purpose, consent.Email, now)
	return status
}

// Double opt-in: what is PENDING becomes GRANTED by the click of whoever reads the message,
// with evidence, once, and not after its time; looking at the page changes nothing.
func TestTheClickConfirms(t *testing.T) {
	r := newRig(t)
	d := signup()
	d.ConfirmTemplate = "tpl_none"
	_, err := r.Create(r.ctx, rigWS, "x", d, nil, "k")
	require.Equal(t, "TEMPLATE", core.AsError(err).Reason)
	d.ConfirmTemplate = "tpl_confirm"
	f := r.published(d)
	out := r.sign(f, "ana@example.com")
	who := out.Submission.Profile
	require.Equal(t, []string{"news"}, out.Pending)
	require.Equal(t, consent.Pending, r.status(who, "news"))
	require.Len(t, r.asked, 1)
	for _, in := range r.asked {
		require.Equal(t, []string{"tpl_confirm", message.Email, "ana@example.com", consent.Operations, who}, []string{in.Template, in.Channel, in.To, in.Purpose, in.Profile})
	}
	token := r.links()[0]
	for range 3 { // a scanner
		c, err := r.Consent.Confirming(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, &consent.Confirming{Purpose: "News", Key: "news", Channel: consent.Email}, c)
	}
	require.Equal(t, consent.Pending, r.status(who, "news"))
	_, err = r.Consent.Confirming(t.Context(), token[:len(token)-3]+"AAA")
	require.Equal(t, "TOKEN_INVALID", core.AsError(err).Reason)
	for range 2 { // twice is once
		require.NoError(t, r.Consent.ConfirmClicked(t.Context(), token))
		require.Equal(t, consent.Granted, r.status(who, "news"))
	}
	p, err := r.Profiles.Get(r.ctx, rigWS, who)
	require.NoError(t, err)
	proofs := 0
	require.NoError(t, r.Profiles.EachEventOf(r.ctx, rigWS, p.Parts, func(e *event.Event) error {
		if m, ok := e.Properties.Lookup("evidence", "method").StringValueOK(); ok && m == "DOUBLE_OPT_IN" {
			proofs++
		}
		return nil
	}))
	require.Equal(t, 1, proofs)

	late := r.sign(f, "ben@example.com")
	r.clock.Advance(91 * 24 * time.Hour)
	for _, token := range r.links() {
		_, err := r.Consent.Confirming(t.Context(), token)
		require.Equal(t, "TOKEN_EXPIRED", core.AsError(err).Reason)
	}
	require.NotEqual(t, consent.Granted, r.status(late.Submission.Profile, "news"))
}

// A yes that was confirmed stays one when the form is sent again: nobody is asked again, the
// submission keeps its evidence, and the visitor is told what anybody is told. After a no the
// form asks anew.
func TestAConfirmedYesStaysOneUntilItIsTakenBack(t *testing.T) {
	r := newRig(t)
	f := r.published(signup())
	first := r.sign(f, "ana@example.com")
	who := first.Submission.Profile
	require.NoError(t, r.Consent.ConfirmClicked(t.Context(), r.links()[0]))
	require.Equal(t, consent.Granted, r.status(who, "news"))
	repeats := func() (n int) {
		p, err := r.Profiles.Get(r.ctx, rigWS, who)
		require.NoError(t, err)
		require.NoError(t, r.Profiles.EachEventOf(r.ctx, rigWS, p.Parts, func(e *event.Event) error {
			if _, err := e.Properties.LookupErr("repeats"); err == nil {
				notice, ok := e.Properties.Lookup("evidence", "noticeHash").StringValueOK()
				require.True(t, ok && strings.HasPrefix(notice, "sha256:"), "the evidence of this submission")
				n++
			}
			return nil
		}))
		return n
	}
	for n := 1; n <= 2; n++ {
		again := r.sign(f, "ana@example.com")
		require.Equal(t, who, again.Submission.Profile)
		require.NotEqual(t, first.Submission.ID, again.Submission.ID)
		require.Equal(t, []any{first.Pending, first.Thanks, first.GatedURL, false}, []any{again.Pending, again.Thanks, again.GatedURL, again.Before})
		require.Equal(t, consent.Granted, r.status(who, "news"))
		require.Len(t, r.links(), 1, "nobody is asked again")
		require.Equal(t, n, repeats())
	}
	decision, err := r.Consent.Decide(r.ctx, rigWS, consent.Question{ProfileID: who, Purpose: "news", Channel: consent.Email})
	require.NoError(t, err)
	require.True(t, decision.Allowed, decision.Reason)

	_, err = r.Consent.Withdraw(r.ctx, rigWS, consent.WithdrawInput{ProfileID: who, Purpose: "news", Channel: consent.Email, IdempotencyKey: "w",
		Evidence: &consent.Evidence{NoticeHash: "letter", Locale: "en", Surface: "letter", Method: "letter"}})
	require.NoError(t, err)
	require.Equal(t, consent.Withdrawn, r.status(who, "news"))
	r.sign(f, "ana@example.com")
	require.Equal(t, consent.Pending, r.status(who, "news"))
	require.Len(t, r.links(), 2, "it asks anew")
	for _, token := range r.links() {
		_ = r.Consent.ConfirmClicked(t.Context(), token) // the old one is used
	}
	require.Equal(t, consent.Granted, r.status(who, "news"))
	diffs, err := r.Profiles.Check(r.ctx, rigWS, nil)
	require.NoError(t, err)
	require.Empty(t, diffs)
}

// Whoever writes an address again and again has so many messages sent to it a day, and is
// told the same as for one that nobody has heard of.
func TestNobodyIsAskedTooOften(t *testing.T) {
	r := newRig(t)
	f := r.published(signup())
	first := r.sign(f, "ana@example.com")
	for range 4 {
		again := r.sign(f, "ana@example.com")
		require.NotEqual(t, first.Submission.ID, again.Submission.ID)
		require.Equal(t, []any{first.Pending, first.Thanks, first.GatedURL, false}, []any{again.Pending, again.Thanks, again.GatedURL, again.Before})
	}
	require.Len(t, r.links(), maxAsked)
	r.sign(f, "ben@example.com")
	require.Len(t, r.links(), maxAsked+1)
	r.clock.Advance(askedWithin)
	r.sign(f, "ana@example.com")
	require.Len(t, r.links(), maxAsked+2)
}

// postbox is a connector that keeps the mail it is given.
type postbox struct {
	sync.Instance
	mail chan sync.Message
}

// Connectors implements sync.Host.
func (p *postbox) Connectors() []sync.Connector {
	return []sync.Connector{{
		Name: "post", Version: "v1.0.0", Title: "Post", Protocol: 1, Kinds: []string{"channel"}, ConfigSchema: json.RawMessage(`{"type":"object"}`),
		Capabilities: []string{sync.CanSend}, Channels: []string{message.Email}, Categories: []core.Category{core.Contact},
	}}
}

// Dial implements sync.Host.
func (p *postbox) Dial(context.Context, sync.Dial) (sync.Instance, error) { return p, nil }

// Drop implements sync.Host.
func (p *postbox) Drop(string) {}

// Process implements sync.Host.
func (p *postbox) Process(string) sync.Process { return sync.Process{State: sync.ProcessRunning} }

// Send implements sync.Instance.
func (p *postbox) Send(_ context.Context, m sync.Message) (sync.Sent, error) {
	p.mail <- m
	return sync.Sent{ID: m.Key, State: sync.DeliveryQueued}, nil
}

// Check implements sync.Instance.
func (p *postbox) Check(context.Context) error { return nil }

// The mail reaches the address that was written, through the real outbox, though nobody has
// agreed to anything yet; its link confirms.
func TestTheMailIsSent(t *testing.T) {
	r := newRig(t)
	specs := append(segment.Specs(), sync.Specs()...)
	require.NoError(t, r.Store.Declare(t.Context(), append(specs, message.Specs()...)...))
	logger := slog.New(slog.DiscardHandler)
	runner := work.New(work.Options{Store: r.Store, Clock: core.SystemClock{}, Logger: logger, Poll: 10 * time.Millisecond})
	events, box, keys := event.NewService(r.Store, r.clock), &postbox{mail: make(chan sync.Message, 10)}, r.Tokens.(message.Keys)
	segments := segment.New(segment.Options{Store: r.Store, Clock: r.clock, Profiles: r.Profiles, Events: events, Committer: r.Committer, Jobs: work.NewJobs(runner), Runner: runner, Logger: logger})
	r.Profiles.SetFold(profile.Folds{segments})
	vendors := sync.New(sync.Options{
		Store: r.Store, Clock: r.clock, Host: box, Keys: keys, Runner: runner, Events: events, Committer: r.Committer, Profiles: r.Profiles, Segments: segments,
		Consent: r.Consent, Logger: logger, Private: true, URL: r.URL,
	})
	outbox := message.New(message.Options{
		Store: r.Store, Clock: r.clock, Keys: keys, Runner: runner, Committer: r.Committer, Events: events, Profiles: r.Profiles, Consent: r.Consent,
		Vendors: vendors, Logger: logger, URL: r.URL,
	})
	r.Outbox = outbox
	signed := r.clock.Now().Add(-time.Hour)
	p, err := r.Consent.SetProcessor(r.ctx, rigWS, "", "p", consent.Processor{
		Name: "Post", Country: "DE", Purposes: []string{consent.Operations}, Agreement: "cabinet 3", AgreementSignedOn: &signed,
		Categories: []core.Category{core.Contact}, TransferMechanism: consent.TransferNone,
	}, consent.Edit{})
	require.NoError(t, err)
	_, err = vendors.CreateConnection(r.ctx, rigWS, sync.ConnectionInput{Name: "Post", Connector: "post", Config: map[string]any{}, Processor: p.ProcessorID()})
	require.NoError(t, err)
	f := r.published(signup())
	out := r.sign(f, "Ana@Example.com")

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = runner.Run(ctx) }()
	defer func() { cancel(); <-done }()
	var m sync.Message
	for end := time.Now().Add(30 * time.Second); m.Key == ""; {
		require.True(t, time.Now().Before(end), "no mail came: %s", r.outboxSays())
		select {
		case m = <-box.mail:
		case <-time.After(5 * time.Millisecond):
			r.clock.Advance(20 * time.Millisecond)
		}
	}
	require.Equal(t, []string{"Ana@Example.com", "Please confirm"}, []string{m.To, m.Subject})
	require.Contains(t, m.Text, "Send me news.")
	_, rest, ok := strings.Cut(m.Text, "https://hw.example"+consent.ConfirmPath)
	require.True(t, ok)
	token, _, _ := strings.Cut(rest, "\n")
	require.NoError(t, r.Consent.ConfirmClicked(t.Context(), token))
	require.Equal(t, consent.Granted, r.status(out.Submission.Profile, "news"))
}

// outboxSays tells why messages stand where they stand.
func (r *rig) outboxSays() string {
	list, err := message.Messages.Find(r.ctx, r.Store, store.Query{Workspace: rigWS}, 10)
	var out []string
	for _, m := range list {
		out = append(out, fmt.Sprint(m.Status, m.Reason, m.Checks))
	}
	return fmt.Sprint(out, err)
}
