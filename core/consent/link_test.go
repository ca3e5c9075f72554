package consent_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
)

// letter is the part of the server that delivers links.
func letter() context.Context {
	return core.WithActor(context.Background(), &core.Actor{Workspace: ws, ID: "system:letters"})
}

// news makes a purpose with double opt-in.
func (p *process) news(within time.Duration) {
	p.t.Helper()
	_, err := p.CreatePurpose(p.ctx(), ws, consent.Purpose{
		Key: "news", Name: "News", LegalBasis: consent.BasisConsent, ConsentRequired: true, EvidenceRequired: true, DoubleOptIn: true, ConfirmWithin: within,
	}, consent.Edit{})
	require.NoError(p.t, err)
}

func (p *process) last(profile string) *consent.Entry {
	p.t.Helper()
	page, err := p.Ledger(p.ctx(), ws, profile, core.Window{Limit: 1})
	require.NoError(p.t, err)
	require.Len(p.t, page.Items, 1)
	return page.Items[0]
}

// A link confirms what double opt-in asks for where the server itself delivered it: for
// that channel, while the person holds the address. A link that somebody asked for by the
// API confirms nothing.
func TestLinksAndDoubleOptIn(t *testing.T) {
	p := open(t)
	p.news(0)
	mail := event.Identifier{Namespace: "email", Value: "ana@example.com"}
	made, err := p.Record(p.ctx(), ws, consent.RecordInput{Identifier: &mail, Purpose: consent.Marketing})
	require.NoError(t, err)
	ana := made.ProfileID
	save := func(l *consent.Link, on ...string) {
		t.Helper()
		p.virtual.Advance(time.Minute)
		require.NoError(t, p.SavePreferences(context.Background(), token(t, *l), consent.Form{On: append(on, "analytics|", "security|", "marketing|EMAIL", "marketing|SMS", "marketing|PUSH", "marketing|WEB_CHAT", "marketing|IN_APP")}))
	}
	asked, err := p.PreferencesLink(p.ctx(), ws, ana, nil)
	require.NoError(t, err)
	save(asked, "news|EMAIL")
	require.Equal(t, "!CONSENT_PENDING", p.ask(ana, "news", consent.Email), "whoever asked for the link may have opened it")
	entry := p.last(ana)
	require.Equal(t, consent.Pending, entry.Status)
	require.Contains(t, entry.Evidence.String(), `"linkMadeBy": "key_1"`)
	save(asked, "news|EMAIL") // the box is ticked while it waits
	require.Equal(t, entry.ID, p.last(ana).ID, "saving the page again takes nothing back and asks for nothing anew")
	confirm := p.record(ana, "news", func(in *consent.RecordInput) { in.Channel, in.Evidence = consent.Email, evidence })
	_, err = p.Confirm(p.ctx(), ws, confirm.Token)
	require.NoError(t, err)
	require.Equal(t, "CONSENT_GRANTED", p.ask(ana, "news", consent.Email))
	save(asked)
	require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(ana, "news", consent.Email), "to take back, any link will do")

	delivered, err := p.PreferencesLink(letter(), ws, ana, &consent.Delivery{Channel: consent.Email, To: mail})
	require.NoError(t, err)
	require.NotContains(t, delivered.URL, "ana")
	save(delivered, "news|EMAIL", "news|SMS")
	require.Equal(t, "CONSENT_GRANTED", p.ask(ana, "news", consent.Email))
	require.Equal(t, "!CONSENT_PENDING", p.ask(ana, "news", consent.SMS), "it proves the address, not the phone")
	save(delivered)
	strange, err := p.PreferencesLink(letter(), ws, ana, &consent.Delivery{Channel: consent.Email, To: event.Identifier{Namespace: "email", Value: "ben@example.com"}})
	require.NoError(t, err)
	save(strange, "news|EMAIL")
	require.Equal(t, "!CONSENT_PENDING", p.ask(ana, "news", consent.Email), "the address is not the person's")

	_, err = p.PreferencesLink(p.ctx(), ws, ana, &consent.Delivery{Channel: consent.Email, To: mail})
	p.reason(err, core.Forbidden, "DELIVERY")
	_, err = p.PreferencesLink(letter(), ws, ana, &consent.Delivery{Channel: consent.SMS, To: mail})
	p.reason(err, core.Invalid, "DELIVERY")
	p.exact()
}

func TestLinksEndWithWhoMadeThem(t *testing.T) {
	p := open(t)
	ana := p.page("ana", nil, 0)
	stands := map[string]bool{"key_1": true, "system:letters": true}
	p.Stands = func(_ context.Context, _, id string) (bool, error) { return stands[id], nil }
	p.URL = "https://id.example.com"
	link, err := p.PreferencesLink(p.ctx(), ws, ana, nil)
	require.NoError(t, err)
	leave, err := p.UnsubscribeLink(p.ctx(), ws, ana, consent.Marketing, consent.Email)
	require.NoError(t, err)
	bare := context.Background()
	_, err = p.Preferences(bare, token(t, *link), "")
	require.NoError(t, err)
	stands["key_1"] = false
	_, err = p.Preferences(bare, token(t, *link), "")
	p.reason(err, core.Invalid, "TOKEN_EXPIRED")
	p.reason(p.SavePreferences(bare, token(t, *link), consent.Form{On: []string{"marketing|EMAIL"}}), core.Invalid, "TOKEN_EXPIRED")
	require.Equal(t, "!CONSENT_UNKNOWN", p.ask(ana, consent.Marketing, consent.Email))
	require.NoError(t, p.Unsubscribe(bare, token(t, leave.Link)), "what only ends things works on")
}

func TestHowLongAYesWaits(t *testing.T) {
	p := open(t)
	ana := p.page("ana", nil, 0)
	_, err := p.CreatePurpose(p.ctx(), ws, consent.Purpose{Key: "short", Name: "Short", LegalBasis: consent.BasisConsent, ConsentRequired: true, DoubleOptIn: true, ConfirmWithin: time.Minute}, consent.Edit{})
	p.reason(err, core.Invalid, "CONFIRM_WITHIN", "confirmWithin")
	p.news(36 * time.Hour)
	r := p.record(ana, "news", func(in *consent.RecordInput) { in.Evidence = evidence })
	require.Equal(t, 36*time.Hour, r.TokenUntil.Sub(p.virtual.Now()))
	_, err = p.UpdatePurpose(p.ctx(), ws, "news", consent.Edit{}, func(n *consent.Purpose) { n.ConfirmWithin = 0 })
	require.NoError(t, err)
	again := p.record(ana, "news", func(in *consent.RecordInput) { in.Evidence = evidence })
	require.Equal(t, consent.DefaultConfirmWithin, again.TokenUntil.Sub(p.virtual.Now()))
	p.virtual.Advance(36 * time.Hour)
	_, err = p.Confirm(p.ctx(), ws, r.Token)
	p.reason(err, core.Invalid, "TOKEN_EXPIRED", "token")
	_, err = p.Confirm(p.ctx(), ws, again.Token)
	require.NoError(t, err)
}

// Evidence names the notice in the language that was shown, and that language.
func TestEvidenceNamesTheLanguageShown(t *testing.T) {
	p := open(t)
	ana := p.page("ana", nil, 0)
	hash := map[string]string{}
	for _, locale := range []string{"en", "de-AT", "it"} {
		p.virtual.Advance(time.Second)
		d, err := p.Publish(p.ctx(), ws, consent.PublishInput{Kind: consent.PrivacyPolicy, Locale: locale, Title: "Privacy", Format: consent.FormatText, Content: "notice in " + locale})
		require.NoError(t, err)
		hash[locale] = d.Hash
	}
	link, err := p.PreferencesLink(p.ctx(), ws, ana, nil)
	require.NoError(t, err)
	on := []string{"analytics|", "security|"}
	for i, c := range []struct{ language, locale string }{{"de", "de-AT"}, {"fr", "en"}, {"", "en"}} {
		p.virtual.Advance(time.Second)
		page, err := p.Preferences(context.Background(), token(t, *link), c.language)
		require.NoError(t, err)
		require.Equal(t, hash[c.locale], page.Notice.Hash, c.language)
		on = append(on, "marketing|"+[]string{consent.Email, consent.SMS, consent.Push}[i])
		require.NoError(t, p.SavePreferences(context.Background(), token(t, *link), consent.Form{On: on, Language: c.language}))
		said := p.last(ana).Evidence
		require.Equal(t, "sha256:"+hash[c.locale], said.Lookup("noticeHash").StringValue())
		require.Equal(t, c.locale, said.Lookup("locale").StringValue())
	}
}
