package consent_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
)

func mail(v string) event.Identifier { return event.Identifier{Namespace: "email", Value: v} }

func TestSuppressions(t *testing.T) {
	p := open(t)
	later := start.Add(time.Hour)
	out, err := p.Suppress(p.ctx(), ws, []consent.SuppressInput{
		{Identifier: mail("Ana@Example.com "), Channel: consent.Email, Reason: consent.SuppressComplaint},
		{Identifier: mail("ana@example.com"), Channel: consent.Email, Reason: consent.SuppressComplaint},
		{Identifier: mail("no address"), Reason: consent.SuppressManual},
		{Identifier: mail("ben@example.com"), Reason: consent.SuppressManual, ExpiresAt: &later},
		{Identifier: mail("cid@example.com"), Reason: "BORED"},
	}, false)
	require.NoError(t, err)
	require.True(t, out[0].Changed)
	require.False(t, out[1].Changed, "the same address again")
	require.EqualValues(t, 1, out[0].Suppression.V)
	require.Equal(t, "IDENTIFIER", out[2].Err.Reason)
	require.Equal(t, "SUPPRESSION_REASON", out[4].Err.Reason)

	is := func(channel string, ids ...event.Identifier) bool {
		t.Helper()
		_, yes, err := p.Suppressed(context.Background(), ws, channel, ids)
		require.NoError(t, err)
		return yes
	}
	require.True(t, is(consent.Email, mail("dan@example.com"), mail("ANA@example.com")))
	require.False(t, is(consent.SMS, mail("ana@example.com")), "another channel")
	require.True(t, is(consent.SMS, mail("ben@example.com")), "every channel")
	p.virtual.Advance(time.Hour)
	require.False(t, is(consent.SMS, mail("ben@example.com")), "its time is over")

	for _, ids := range [][]event.Identifier{nil, {mail("no address")}} {
		_, yes, err := p.Suppressed(context.Background(), ws, consent.Email, ids)
		require.True(t, yes, "what cannot be looked up is not sent to")
		require.Error(t, err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	_, yes, err := p.Suppressed(gone, ws, consent.Email, []event.Identifier{mail("dan@example.com")})
	require.True(t, yes, "an error is a yes: %v", err)
	require.Error(t, err)

	page, err := p.Suppressions(p.ctx(), ws, consent.SuppressionFilter{}, core.Window{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	n, err := p.CountSuppressions(p.ctx(), ws, consent.SuppressionFilter{Reason: consent.SuppressComplaint})
	require.NoError(t, err)
	require.EqualValues(t, 1, n)

	ana := out[0].Suppression.SuppressionID()
	_, err = p.Lift(p.ctx(), ws, consent.LiftInput{ID: ana, Reason: "asked for"})
	p.reason(err, core.Forbidden, "LIFT_PROTECTED", "id")
	_, err = p.Lift(p.ctx(), ws, consent.LiftInput{ID: ana, Governs: true})
	p.reason(err, core.Invalid, "LIFT_REASON", "reason")
	lifted, err := p.Lift(p.ctx(), ws, consent.LiftInput{ID: ana, Reason: "asked for", Governs: true})
	require.NoError(t, err)
	require.Equal(t, "key_1", lifted.LiftedBy)
	require.False(t, is(consent.Email, mail("ana@example.com")))
	require.Equal(t, "suppression.lift", p.traces[len(p.traces)-1].Action)
	again, err := p.Suppress(p.ctx(), ws, []consent.SuppressInput{{Identifier: mail("ana@example.com"), Channel: consent.Email, Reason: consent.SuppressComplaint}}, false)
	require.NoError(t, err)
	require.True(t, again[0].Changed)
	require.True(t, is(consent.Email, mail("ana@example.com")))
}

func TestSuppressionLists(t *testing.T) {
	list, err := consent.ReadSuppressions(strings.NewReader("\ufeffEmail,Name,Reason\nana@example.com,Ana,hard_bounce\n\"ben@example.com\",Ben,\n"), consent.SuppressInput{Channel: consent.Email, Reason: consent.SuppressUnsubscribe})
	require.NoError(t, err)
	require.Equal(t, []consent.SuppressInput{
		{Identifier: mail("ana@example.com"), Channel: consent.Email, Reason: consent.SuppressHardBounce, Line: 2},
		{Identifier: mail("ben@example.com"), Channel: consent.Email, Reason: consent.SuppressUnsubscribe, Line: 3},
	}, list)
	_, err = consent.ReadSuppressions(strings.NewReader("name\nAna\n"), consent.SuppressInput{})
	require.Equal(t, "LIST_HEADER", core.AsError(err).Reason)
	_, err = consent.ReadSuppressions(strings.NewReader("email,expiresAt\na@example.com,soon\n"), consent.SuppressInput{})
	require.Equal(t, "LIST_TIME", core.AsError(err).Reason)
	require.Equal(t, []string{"2", "expiresAt"}, core.AsError(err).Path)
}

func TestPolicyDocuments(t *testing.T) {
	p := open(t)
	in := consent.PublishInput{Kind: consent.PrivacyPolicy, Locale: "de", Title: "Datenschutz", Format: consent.FormatMarkdown, Content: "# Eins"}
	one, err := p.Publish(p.ctx(), ws, in)
	require.NoError(t, err)
	require.EqualValues(t, 1, one.Number)
	same, err := p.Publish(p.ctx(), ws, in)
	require.NoError(t, err)
	require.Equal(t, one.DocumentID(), same.DocumentID())
	in.Content = "# Zwei"
	_, err = p.Publish(p.ctx(), ws, in)
	p.reason(err, core.Invalid, "CHANGE_LOG", "changeLog")
	in.ChangeLog, in.ExpectedVersion = "Alles neu.", new(int64)
	_, err = p.Publish(p.ctx(), ws, in)
	p.reason(err, core.Conflict, "VERSION_CONFLICT", "expectedVersion")
	*in.ExpectedVersion = 1
	two, err := p.Publish(p.ctx(), ws, in)
	require.NoError(t, err)
	require.EqualValues(t, 2, two.Number)
	text, err := p.PolicyText(context.Background(), one.Hash)
	require.NoError(t, err)
	require.Equal(t, "# Eins", text.Content)
	none, err := p.PolicyText(context.Background(), strings.Repeat("0", 64))
	require.NoError(t, err)
	require.Nil(t, none)

	ana := p.page("ana", nil, 0)
	for hash, warned := range map[string]bool{"sha256:" + one.Hash: false, "sha256:" + strings.Repeat("0", 64): true} {
		r := p.record(ana, consent.Marketing, func(in *consent.RecordInput) {
			in.Evidence = &consent.Evidence{NoticeHash: hash, Locale: "de", Surface: "checkout", Method: "checkbox"}
		})
		require.Equal(t, warned, strings.Contains(r.Entry.Evidence.String(), consent.WarningNotice), hash)
	}
}

func TestProcessors(t *testing.T) {
	p := open(t)
	signed, ends := start.Add(-time.Hour), start.Add(time.Hour)
	set := func(id string, change func(*consent.Processor)) *consent.Processor {
		t.Helper()
		in := consent.Processor{Name: "Mailer", Country: "US", Purposes: []string{consent.Marketing}, TransferMechanism: consent.TransferClauses}
		change(&in)
		out, err := p.SetProcessor(p.ctx(), ws, id, "", in, consent.Edit{})
		require.NoError(t, err)
		return out
	}
	bare := set("", func(*consent.Processor) {})
	id := bare.ProcessorID()
	ask := func(purpose string) string {
		err := p.ProcessorAllowed(p.ctx(), ws, id, purpose)
		if err == nil {
			return ""
		}
		require.Equal(t, core.Forbidden, core.CodeOf(err))
		return core.AsError(err).Reason
	}
	require.Equal(t, "AGREEMENT_MISSING", ask(consent.Marketing))
	set(id, func(in *consent.Processor) {
		in.Agreement, in.AgreementSignedOn, in.AgreementExpires = "A-1", &signed, &ends
	})
	require.Empty(t, ask(consent.Marketing))
	require.Empty(t, ask(consent.Advertising), "a child of it")
	require.Equal(t, "PROCESSOR_PURPOSE", ask(consent.Analytics))
	p.virtual.Advance(time.Hour)
	require.Equal(t, "AGREEMENT_EXPIRED", ask(consent.Marketing))
	set(id, func(in *consent.Processor) { in.Agreement, in.AgreementSignedOn = "A-2", &signed })
	require.Empty(t, ask(consent.Marketing))
	_, err := p.ArchiveProcessor(p.ctx(), ws, id, true, consent.Edit{})
	require.NoError(t, err)
	require.Equal(t, "PROCESSOR_ARCHIVED", ask(consent.Marketing))
	id = "prc_00000000000000000000000000"
	require.Equal(t, "PROCESSOR_UNKNOWN", ask(consent.Marketing))
}

func token(t *testing.T, l consent.Link) string {
	t.Helper()
	return l.URL[strings.LastIndex(l.URL, "/")+1:]
}

func TestPreferenceCentre(t *testing.T) {
	p := open(t)
	ana := p.page("ana", nil, 0)
	link, err := p.PreferencesLink(p.ctx(), ws, ana, nil)
	require.NoError(t, err)
	require.NotContains(t, link.URL, ana)
	tok := token(t, *link)
	bare := context.Background()
	marketing := func(channel string) consent.Choice {
		page, err := p.Preferences(bare, tok, "en")
		require.NoError(t, err)
		for _, pref := range page.Purposes {
			for _, c := range pref.Choices {
				if c.Purpose == consent.Marketing && c.Channel == channel {
					return c
				}
			}
		}
		t.Fatal("no such choice")
		return consent.Choice{}
	}
	require.False(t, marketing(consent.Email).Allowed)
	require.NoError(t, p.SavePreferences(bare, tok, consent.Form{On: []string{"marketing|EMAIL", "analytics|", "security|"}, Had: []string{"analytics|", "security|"}}))
	require.True(t, marketing(consent.Email).Allowed)
	require.False(t, marketing(consent.SMS).Allowed)
	require.Equal(t, "CONSENT_GRANTED", p.ask(ana, consent.Marketing, consent.Email))
	list, err := p.Ledger(p.ctx(), ws, ana, core.Window{Limit: 10})
	require.NoError(t, err)
	require.Len(t, list.Items, 1, "only what changed is written")
	require.Equal(t, "subject", list.Items[0].Actor)
	require.Contains(t, list.Items[0].Evidence.String(), consent.SurfacePreferences)

	// A page that was open since before a withdrawal gives nothing back.
	_, err = p.Withdraw(p.ctx(), ws, consent.WithdrawInput{ProfileID: ana, Purpose: consent.Marketing})
	require.NoError(t, err)
	stale := consent.Form{On: []string{"marketing|EMAIL", "analytics|", "security|"}, Had: []string{"marketing|EMAIL", "analytics|", "security|"}}
	require.NoError(t, p.SavePreferences(bare, tok, stale))
	require.False(t, marketing(consent.Email).Allowed)

	require.NoError(t, p.SavePreferences(bare, tok, consent.Form{On: []string{"marketing|EMAIL"}, WithdrawAll: true}))
	require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(ana, consent.Analytics, ""))
	p.virtual.Advance(consent.PreferencesFor)
	_, err = p.Preferences(bare, tok, "en")
	p.reason(err, core.Invalid, "TOKEN_EXPIRED")
}

func TestOneClick(t *testing.T) {
	p := open(t)
	ana := p.page("ana", nil, 0)
	_, err := p.UnsubscribeLink(p.ctx(), ws, ana, consent.Marketing, consent.Email)
	p.reason(err, core.Invalid, "PUBLIC_URL")
	p.URL = "https://id.example.com"
	_, err = p.UnsubscribeLink(p.ctx(), ws, ana, consent.Support, consent.Email)
	p.reason(err, core.Invalid, "OBJECTION_DOES_NOT_APPLY", "purpose")
	agree := func() { p.record(ana, consent.Marketing, func(in *consent.RecordInput) { in.Channel = consent.Email }) }
	agree()
	l, err := p.UnsubscribeLink(p.ctx(), ws, ana, consent.Marketing, consent.Email)
	require.NoError(t, err)
	require.Equal(t, "<"+l.URL+">", l.ListUnsubscribe)
	tok, bare := token(t, l.Link), context.Background()
	_, err = p.Unsubscribing(bare, tok)
	require.NoError(t, err)
	require.Equal(t, "CONSENT_GRANTED", p.ask(ana, consent.Marketing, consent.Email), "looking ends nothing")
	length := func() int64 {
		n, err := p.CountLedger(p.ctx(), ws, ana)
		require.NoError(t, err)
		return n
	}
	for range 3 {
		require.NoError(t, p.Unsubscribe(bare, tok))
		require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(ana, consent.Marketing, consent.Email))
		require.EqualValues(t, 2, length())
	}
	p.virtual.Advance(time.Minute)
	agree()
	require.Equal(t, "CONSENT_GRANTED", p.ask(ana, consent.Marketing, consent.Email))
	require.NoError(t, p.Unsubscribe(bare, tok))
	require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(ana, consent.Marketing, consent.Email))
	// Tokens are for their own use alone.
	_, err = p.Preferences(bare, tok, "en")
	p.reason(err, core.Invalid, "TOKEN_INVALID")
	_, err = p.Unsubscribing(bare, "ws_OTHER00001.abcdef")
	p.reason(err, core.Invalid, "TOKEN_INVALID")
}
