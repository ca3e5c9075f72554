package form

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const rigWS = "ws_RIG0000001"

// rig is one process over a store, under a clock that the test moves.
type rig struct {
	*Service
	t     *testing.T
	ctx   context.Context
	clock *core.VirtualClock
	asked map[string]message.Intent // messages that ask to confirm, by id
	mu    sync.Mutex
}

// Queue implements Outbox.
func (r *rig) Queue(_ context.Context, ws string, in message.Intent) ([]store.Op, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked[in.ID] = in
	return []store.Op{store.Claim(ws, "asked", in.ID, in.Profile)}, nil
}

// Usable implements Outbox.
func (r *rig) Usable(_ context.Context, _, template string, _ int64, _ string) error {
	if template != "tpl_confirm" {
		return core.Errorf(core.NotFound, "TEMPLATE", "there is no such template")
	}
	return nil
}

// Wake implements Outbox.
func (r *rig) Wake(string, string) {}

// links are those of the messages that are queued for good, in no order.
func (r *rig) links() (out []string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, in := range r.asked {
		c, err := store.Claims.Get(r.ctx, r.Store, store.Key(rigWS, "asked", id))
		require.NoError(r.t, err)
		if c != nil {
			_, token, _ := strings.Cut(in.Data.Lookup("confirm", "url").StringValue(), consent.ConfirmPath)
			out = append(out, token)
		}
	}
	return out
}

func newRig(t *testing.T) *rig {
	t.Helper()
	clock := core.NewVirtualClock(time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC))
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db"), Clock: clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	specs := store.Specs()
	for _, list := range [][]*store.Spec{event.Specs(), profile.Specs(), work.Specs(), ingest.Specs(), consent.Specs(), keyring.Specs(), Specs()} {
		specs = append(specs, list...)
	}
	require.NoError(t, db.Declare(context.Background(), specs...))
	events, people := event.NewService(db, clock), profile.NewService(db, clock)
	pipeline := ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: people})
	t.Cleanup(func() { require.NoError(t, pipeline.Close(context.Background())) })
	master, err := keyring.NewMaster([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	ring := keyring.New(db, clock, master)
	words := consent.NewService(consent.Options{Store: db, Clock: clock, People: people.ConsentPeople(), Committer: pipeline, Tokens: ring})
	r := &rig{t: t, clock: clock, asked: map[string]message.Intent{}, ctx: core.WithActor(t.Context(), &core.Actor{Workspace: rigWS, ID: "system:test"})}
	r.Service = NewService(Options{
		Store: db, Clock: clock, Profiles: people, Consent: words, Committer: pipeline, Tokens: ring, URL: func() string { return "https://hw.example" },
		Outbox: r,
	})
	for _, p := range []consent.Purpose{
		{Key: "news", Name: "News", LegalBasis: consent.BasisConsent, ConsentRequired: true, EvidenceRequired: true, DoubleOptIn: true},
		{Key: "offers", Name: "Offers", LegalBasis: consent.BasisConsent, ConsentRequired: true},
	} {
		_, err := words.CreatePurpose(r.ctx, rigWS, p, consent.Edit{})
		require.NoError(t, err)
	}
	return r
}

func signup() Definition {
	return Definition{
		Title: "Newsletter", Locale: "en", Thanks: "Thank you", GatedURL: "https://shop.example/guide.pdf", MinSeconds: 3,
		Fields: []Field{
			{Key: "email", Label: "E-mail", Type: Email, Trait: "email", Required: true},
			{Key: "name", Label: "Name", Type: Text, Trait: "name", Prefill: true, MaxLength: 20},
			{Key: "size", Label: "Size", Type: Choice, Options: []string{"S", "M"}, Trait: "shop.size"},
			{Key: "age", Label: "Age", Type: Number},
			{Key: "campaign", Type: Hidden, Value: "spring", Trait: "campaign"},
		},
		Consents: []Consent{
			{Key: "news", Purpose: "news", Channel: consent.Email, Text: "Send me news."},
			{Key: "offers", Purpose: "offers", Text: "Send me offers.", Required: true},
		},
		Blocks: []Block{{Text: "Hello"}, {Where: `{"trait":{"path":"plan","eq":"pro"}}`, Text: "You are a pro"}},
	}
}

// published returns the public id of a form.
func (r *rig) published(d Definition) *Form {
	r.t.Helper()
	f, err := r.Create(r.ctx, rigWS, "Newsletter", d, []string{"https://shop.example"}, "k1")
	require.NoError(r.t, err)
	f, err = r.Publish(r.ctx, rigWS, f.FormID(), f.V)
	require.NoError(r.t, err)
	return f
}

func (r *rig) open(f *Form, known string) *View {
	r.t.Helper()
	v, err := r.Open(r.ctx, f.PublicID(), known)
	require.NoError(r.t, err)
	return v
}

func TestSubmitMakesPersonConsentsAndEvent(t *testing.T) {
	r := newRig(t)
	f := r.published(signup())
	in := Sent{
		Values:   map[string]string{"email": "Ana@Example.com", "name": "Ana", "size": "M", "age": "30", "website": "", "campaign": "forged"},
		Consents: map[string]bool{"news": true, "offers": true}, Token: r.open(f, "").Token,
	}
	_, err := r.Submit(r.ctx, f.PublicID(), in)
	require.Equal(t, "FORM_TOO_FAST", core.AsError(err).Reason)
	r.clock.Advance(3 * time.Second)
	var wg sync.WaitGroup
	for range 4 { // the same at once
		wg.Go(func() {
			if _, err := r.Submit(r.ctx, f.PublicID(), in); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	out, err := r.Submit(r.ctx, f.PublicID(), in)
	require.NoError(t, err)
	require.True(t, out.Before)
	require.Equal(t, "https://shop.example/guide.pdf", out.GatedURL)

	p, err := r.Profiles.Get(r.ctx, rigWS, out.Submission.Profile)
	require.NoError(t, err)
	require.Equal(t, "Ana", p.TraitAt("name").Value.StringValue())
	require.Equal(t, "M", p.TraitAt("shop.size").Value.StringValue())
	require.Equal(t, "spring", p.TraitAt("campaign").Value.StringValue(), "the form's own value, not the visitor's")
	held, err := r.Profiles.ByIdentifiers(r.ctx, rigWS, []event.Identifier{{Namespace: "email", Value: "ana@example.com"}})
	require.NoError(t, err)
	require.Equal(t, p.ID, held[0].ID)

	var names []string
	require.NoError(t, r.Profiles.EachEventOf(r.ctx, rigWS, p.Parts, func(e *event.Event) error {
		names = append(names, e.Name)
		if e.Name == NameSubmitted {
			require.Equal(t, out.Submission.Event, store.Rest(e.ID))
			require.EqualValues(t, 30, e.Properties.Lookup("answers", "age").AsInt64())
		}
		if e.Name == consent.NameRecorded && e.Properties.Lookup("purpose").StringValue() == "news" {
			require.Equal(t, NoticeHash("Send me news."), e.Properties.Lookup("evidence", "noticeHash").StringValue())
		}
		return nil
	}))
	require.ElementsMatch(t, []string{event.NameIdentified, NameSubmitted, consent.NameRecorded, consent.NameRecorded}, names)
	words := map[string]string{}
	for _, w := range p.Words(r.clock.Now()) {
		words[w.Purpose] = w.Status
	}
	require.Equal(t, consent.Pending, words["news"])
	require.Equal(t, consent.Granted, words["offers"])
	require.Len(t, r.links(), 1, "one is asked to confirm, once")
	_, err = r.Consent.Confirm(r.ctx, rigWS, r.links()[0])
	require.NoError(t, err)
	n, err := r.SubmissionCount(r.ctx, rigWS, f.FormID())
	require.NoError(t, err)
	require.EqualValues(t, 1, n)

	in.Values["name"] = "Other"
	_, err = r.Submit(r.ctx, f.PublicID(), in)
	require.Equal(t, "SUBMISSION_ID_USED", core.AsError(err).Reason)
}

func TestEachFieldIsTold(t *testing.T) {
	r := newRig(t)
	f := r.published(signup())
	token := r.open(f, "").Token
	r.clock.Advance(time.Minute)
	_, err := r.Submit(r.ctx, f.PublicID(), Sent{Token: token, Values: map[string]string{
		"email": "ana", "name": strings.Repeat("x", 21), "size": "XL", "age": "old", "more": "1",
	}})
	var faults Faults
	require.True(t, errors.As(err, &faults))
	var got []string
	for _, e := range faults {
		got = append(got, strings.Join(e.Path, ".")+" "+e.Reason)
	}
	require.Equal(t, []string{"values.email EMAIL", "values.name TOO_LONG", "values.size CHOICE", "values.age NUMBER", "consents.offers CONSENT_NEEDED", "values.? FIELD_UNKNOWN"}, got)
	n, err := r.SubmissionCount(r.ctx, rigWS, f.FormID())
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestRobotsAndTokens(t *testing.T) {
	r := newRig(t)
	f := r.published(signup())
	ok := Sent{Values: map[string]string{"email": "a@example.com"}, Consents: map[string]bool{"offers": true}, Token: r.open(f, "").Token}
	r.clock.Advance(time.Minute)
	trapped := ok
	trapped.Values = map[string]string{"email": "a@example.com", "website": "http://spam"}
	out, err := r.Submit(r.ctx, f.PublicID(), trapped)
	require.NoError(t, err)
	require.Nil(t, out.Submission)
	require.Empty(t, out.GatedURL)
	bad := ok
	bad.Token = ""
	_, err = r.Submit(r.ctx, f.PublicID(), bad)
	require.Equal(t, "FORM_EXPIRED", core.AsError(err).Reason)
	r.clock.Advance(openedFor)
	_, err = r.Submit(r.ctx, f.PublicID(), ok)
	require.Equal(t, "FORM_EXPIRED", core.AsError(err).Reason)
	for _, id := range []string{"", "x", rigWS, rigWS + ".frm_none", "ws_OTHER00001." + f.FormID()} {
		_, err = r.Submit(r.ctx, id, ok)
		require.Equal(t, core.NotFound, core.CodeOf(err), id)
	}
}

// What is known of somebody is shown by a link that was signed for them, and to nobody
// else.
func TestPrefillOnlyByLink(t *testing.T) {
	r := newRig(t)
	f := r.published(signup())
	raw, err := json.Marshal(map[string]any{"type": "identify", "messageId": "m1", "userId": "ana", "traits": map[string]any{"email": "ana@example.com", "name": "Ana", "plan": "pro"}})
	require.NoError(t, err)
	res, err := r.Committer.Ingest(r.ctx, rigWS, "src_web", []event.Input{event.DecodeMessage(raw, event.Defaults{ReceivedAt: r.clock.Now()})})
	require.NoError(t, err)
	link, _, err := r.PrefillLink(r.ctx, rigWS, f.FormID(), res[0].ProfileID)
	require.NoError(t, err)
	url, token, _ := strings.Cut(link, "?v=")
	require.Equal(t, "https://hw.example/f/"+f.PublicID(), url)

	v := r.open(f, token)
	require.Equal(t, map[string]string{"name": "Ana"}, v.Values, "the fields that allow it")
	require.Equal(t, []string{"Hello", "You are a pro"}, v.Blocks)
	for _, known := range []string{"", "ana@example.com", res[0].ProfileID, token[:len(token)-2] + "AA", v.Token} {
		s := r.open(f, known)
		require.Empty(t, s.Values)
		require.Equal(t, []string{"Hello"}, s.Blocks)
	}
	r.clock.Advance(time.Minute)
	out, err := r.Submit(r.ctx, f.PublicID(), Sent{Values: map[string]string{"email": "other@example.com", "name": "Eve"}, Consents: map[string]bool{"offers": true}, Token: v.Token, Known: token})
	require.NoError(t, err)
	require.NotEqual(t, res[0].ProfileID, out.Submission.Profile, "the link was passed on")
	r.clock.Advance(PrefillFor)
	require.Empty(t, r.open(f, token).Values)
}

func TestDefinitionsAreChecked(t *testing.T) {
	r := newRig(t)
	for want, change := range map[string]func(*Definition){
		"NOBODY":          func(d *Definition) { d.Fields[0].Required = false },
		"FIELD_KEY":       func(d *Definition) { d.Fields[1].Key = "email" },
		"PURPOSE":         func(d *Definition) { d.Consents[0].Purpose = "nix" },
		"OPTIONS":         func(d *Definition) { d.Fields[2].Options = nil },
		"TRAIT":           func(d *Definition) { d.Fields[0].Trait = "mail" },
		"GATED_URL":       func(d *Definition) { d.GatedURL = "javascript:alert(1)" },
		"BLOCK_CONDITION": func(d *Definition) { d.Blocks[1].Where = `{"event":{"name":"x"}}` },
	} {
		d := signup()
		change(&d)
		_, err := r.Create(r.ctx, rigWS, "x", d, nil, "k")
		require.Equal(t, want, core.AsError(err).Reason, fmt.Sprint(err))
	}
	_, err := r.Create(r.ctx, rigWS, "x", signup(), []string{"https://shop.example/path"}, "k")
	require.Equal(t, "ORIGINS", core.AsError(err).Reason)
	f := r.published(signup())
	_, err = r.Publish(r.ctx, rigWS, f.FormID(), 1)
	require.Equal(t, "VERSION_CONFLICT", core.AsError(err).Reason)
	g, err := r.Update(r.ctx, rigWS, f.FormID(), f.V, func(f *Form) { f.Draft.Title = "New" })
	require.NoError(t, err)
	require.Equal(t, "Newsletter", g.Published.Title, "visitors see what was published")
}
