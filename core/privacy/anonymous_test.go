package privacy

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/store"
)

func (b *bureau) anonymise(r RetentionRule) string {
	b.t.Helper()
	r.Action, r.Enabled = RetainAnonymise, true
	made, err := b.SetRule(b.ctx, deskWS, "", r, nil)
	require.NoError(b.t, err)
	return made.RuleID()
}

// rows returns what is left of whoever was made anonymous, as JSON by name.
func (b *bureau) rows() map[string][]string {
	b.t.Helper()
	out := map[string][]string{}
	page, err := b.eraser.Anonymous(b.ctx, deskWS, dayOne, dayOne, core.Window{Limit: 200})
	require.NoError(b.t, err)
	for _, a := range page.Items {
		require.True(b.t, dayOne.Truncate(day).Equal(a.Day()), "a day, and no time")
		text := []byte("{}")
		if a.Values != nil {
			text, err = event.ToJSON(a.Values)
			require.NoError(b.t, err)
		}
		out[a.Name] = append(out[a.Name], string(text))
	}
	return out
}

// totals returns what is left counted, and the sum of what orders were worth.
func (b *bureau) totals() (events map[string]int64, worth string) {
	b.t.Helper()
	totals, err := b.eraser.Totals(b.ctx, deskWS, dayOne, dayOne)
	require.NoError(b.t, err)
	events = map[string]int64{}
	for _, one := range totals {
		events[one.Name] += one.Events
		for _, sum := range one.Sums {
			if sum.Path == "total" {
				worth = sum.Amount.FloatString(2) + " " + sum.Currency
			}
		}
	}
	return events, worth
}

const anaOrder = `{"type":"track","userId":"ana-7231","anonymousId":"cookie-55120","event":"Order Completed","properties":{"order_id":"ORD-99182","total":12.5,"currency":"EUR",
	"invoiceNumber":88123771,"gift":true,"email":"ana@secret.example","note":"call me","shop":"Bern","products":[{"sku":"red-shoe","price":12.5,"quantity":1,"engraving":"For Ana"}]},
	"context":{"ip":"203.0.113.77","userAgent":"Secretive/1.0"}}`

func TestWhoeverIsMadeAnonymousIsGoneAndTheTotalsStay(t *testing.T) {
	b := newBureau(t, dayOne)
	ctx := officer(context.Background())
	_, err := b.objects.CreateType(ctx, deskWS, object.TypeInput{Key: "subscription", Name: "Subscription", Fields: []object.FieldInput{
		{Key: "price", Type: object.Decimal, Category: core.Transaction}, {Key: "tier", Type: object.Enum, Category: core.Behaviour, Constraints: object.Constraints{Values: []string{"gold", "tin"}}},
		{Key: "label", Type: object.String, Category: core.Behaviour},
	}, Relations: []object.RelationInput{{Key: "holder"}}})
	require.NoError(t, err)
	ana := b.send(`{"type":"identify","userId":"ana-7231","traits":{"email":"ana@secret.example","plan":"free"}}`)
	b.send(anaOrder)
	b.send(`{"type":"track","userId":"ben","event":"Order Completed","properties":{"total":7.5,"currency":"EUR"}}`)
	made, err := b.objects.Upsert(ctx, deskWS, "subscription", []object.Item{{
		ExternalID: "sub-of-ana", Fields: map[string]any{"price": json.Number("9.90"), "tier": "gold", "label": "Ana's own"},
		Links: map[string][]object.Link{"holder": {{Namespace: "user_id", Value: "ana-7231"}}},
	}})
	require.NoError(t, err)
	require.Nil(t, made[0].Err, "%+v", made[0].Err)

	b.clock.set(dayOne.Add(60 * day))
	b.send(`{"type":"track","userId":"ben","event":"Page Read"}`)
	b.clock.set(dayOne.Add(100 * day))
	_, err = b.SetRule(b.ctx, deskWS, "", RetentionRule{Kind: RetainTraits, Action: RetainAnonymise, After: 90 * day}, nil)
	require.Equal(t, "ACTION", whyNot(err), "a trait is somebody's")
	rule := b.anonymise(RetentionRule{Kind: RetainPeople, After: 90 * day})
	require.Equal(t, map[string]int64{rule: 1}, b.retainNow(true).Rules)
	require.NotNil(t, b.get(ana), "a dry run changes nothing")
	require.Empty(t, b.rows())

	require.Equal(t, map[string]int64{rule: 1}, b.retainNow(false).Rules)
	_, err = b.people.Get(b.ctx, deskWS, ana)
	require.Equal(t, "ANONYMISED", whyNot(err), "nobody reads the person from now on")
	request, err := Requests.Find(b.ctx, b.db, store.Query{Workspace: deskWS}, 0)
	require.NoError(t, err)
	r := b.until(request[0], Completed)
	st := statementOf(t, r)
	require.True(t, st.Anonymised)
	_, err = b.people.AsOf(b.ctx, deskWS, ana, dayOne.Add(day))
	require.Equal(t, "ANONYMISED", whyNot(err))

	left := b.rows()
	require.Equal(t, []string{"{}"}, left["Identified"])
	require.Len(t, left["Order Completed"], 1, "the order of somebody else is the somebody's")
	require.JSONEq(t, `{"total":12.5,"currency":"EUR","products":[{"sku":"red-shoe","price":12.5,"quantity":1}]}`, left["Order Completed"][0])
	require.Len(t, left["subscription"], 1)
	require.JSONEq(t, `{"price":9.90,"tier":"gold"}`, left["subscription"][0])
	counted, worth := b.totals()
	require.EqualValues(t, 1, counted["Order Completed"])
	require.Equal(t, "12.50 EUR", worth)
	b.same()
	require.NotNil(t, b.get(b.send(`{"type":"track","userId":"ben","event":"Page Read"}`)))

	// Nothing that is kept can be tied to the person: not by a value, not by an id, not by
	// a pseudonym, and not by the key.
	page, err := b.eraser.Anonymous(b.ctx, deskWS, time.Time{}, time.Time{}, core.Window{Limit: 200})
	require.NoError(t, err)
	require.Len(t, page.Items, 3)
	for _, a := range page.Items {
		raw, err := AnonymousRows.Encode(a)
		require.NoError(t, err)
		for _, secret := range []string{ana, "ana", "Ana", "ORD-", "cookie", "88123771", "Secretive", "203.0", "psn_", r.Subject, r.RequestID(), "evt_", "m2"} {
			require.NotContains(t, string(raw), secret)
		}
	}
	again := b.retainNow(false)
	require.Zero(t, again.Rules[rule])
	require.Len(t, b.rows()["Order Completed"], 1, "nothing is kept twice")
}

// statementOf returns what a request's receipt states.
func statementOf(t *testing.T, r *Request) Statement {
	t.Helper()
	require.NotNil(t, r.Receipt)
	var st Statement
	lines := bytes.SplitN([]byte(r.Receipt.SignedNote), []byte("\n"), 3)
	require.NoError(t, json.Unmarshal(lines[1], &st))
	return st
}

func TestOldEventsAreMadeAnonymousAndThePersonStays(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana-7231","traits":{"plan":"free"}}`)
	for range 120 { // more than two slices
		b.send(anaOrder)
	}
	b.clock.set(dayOne.Add(50 * day))
	b.send(`{"type":"track","userId":"ana-7231","event":"Page Read"}`)
	b.clock.set(dayOne.Add(100 * day))
	before := b.get(ana)
	rule := b.anonymise(RetentionRule{Kind: RetainEvents, After: 90 * day})
	require.EqualValues(t, 121, b.retainNow(true).Rules[rule])
	require.Empty(t, b.rows())
	require.EqualValues(t, 121, b.retainNow(false).Rules[rule])
	b.same()
	after := b.get(ana)
	require.Equal(t, before.Traits, after.Traits)
	require.Equal(t, before.Events, after.Events)
	require.Len(t, b.rows()["Order Completed"], 120)
	counted, worth := b.totals()
	require.EqualValues(t, 120, counted["Order Completed"])
	require.Equal(t, "1500.00 EUR", worth)
	n, err := event.Events.Count(b.ctx, b.db, store.Query{Workspace: deskWS})
	require.NoError(t, err)
	require.EqualValues(t, 2, n, "the latest, and the snapshot")
}

// A backup that is restored brings people back: they are made anonymous again, and not
// erased.
func TestAnonymousPeopleAreMadeSoAgainAfterARestore(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana-7231"}`)
	out, err := b.eraser.Erase(b.ctx, deskWS, EraseInput{ProfileID: ana, Anonymise: true, IdempotencyKey: "a"})
	require.NoError(t, err)
	b.until(out.Request, Completed)
	_, err = b.eraser.Erase(b.ctx, deskWS, EraseInput{ProfileID: ana, IdempotencyKey: "a"})
	require.Equal(t, "IDEMPOTENCY_KEY_REUSED", whyNot(err))
	var list bytes.Buffer
	_, err = b.eraser.ExportErasures(b.ctx, deskWS, &list)
	require.NoError(t, err)
	require.Contains(t, list.String(), `"anonymised":true`)

	other := newBureau(t, dayOne.Add(-day))
	back := other.send(`{"type":"identify","userId":"ana-7231"}`)
	_, err = other.eraser.Reapply(other.ctx, deskWS, bytes.NewReader(bytes.ReplaceAll(list.Bytes(), []byte(ana), []byte(back))))
	require.NoError(t, err)
	_, err = other.people.Get(other.ctx, deskWS, back)
	require.Equal(t, "ANONYMISED", whyNot(err))
}
