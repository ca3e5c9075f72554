package privacy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// message stores a message of a person as of an instant, with what happened to it.
func (b *bureau) message(who string, status message.Status, at time.Time, happened ...time.Time) string {
	b.t.Helper()
	b.n++
	id := core.HashID(core.PrefixMessage, fmt.Sprint(b.n))
	m := &message.Message{
		Meta: store.Meta{ID: store.Key(deskWS, id)}, Part: who, Channel: message.Email, Purpose: "marketing", Template: "tpl_1", Journey: "jrn_1", At: at, Status: status,
	}
	if !status.Over() {
		m.Lane, m.Due = "EMAIL.0", at.AddDate(1, 0, 0)
	}
	for _, h := range happened {
		m.Timeline = append(m.Timeline, message.Happened{Type: message.WasClicked, At: h})
	}
	require.NoError(b.t, work.Commit(b.ctx, b.db, message.Messages.Insert(m)))
	return id
}

// messages lists the ids of those that are left.
func (b *bureau) messages() []string {
	b.t.Helper()
	list, err := message.Messages.Find(b.ctx, b.db, store.Query{Workspace: deskWS}, 0)
	require.NoError(b.t, err)
	var out []string
	for _, m := range list {
		out = append(out, m.MessageID())
	}
	slices.Sort(out)
	return out
}

func sorted(list ...string) []string {
	slices.Sort(list)
	return list
}

func TestRetentionOfMessages(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana"}`)
	ben := b.send(`{"type":"identify","userId":"ben"}`)
	other := b.send(`{"type":"identify","anonymousId":"a1"}`)
	_, err := b.people.Merge(b.ctx, deskWS, profile.MergeInput{WinnerID: ana, LoserID: other, Reason: "same"})
	require.NoError(t, err)
	for range 450 { // more than two slices
		b.message(ana, message.Delivered, dayOne)
	}
	b.message(other, message.Skipped, dayOne) // of the part that was merged
	keep := []string{
		b.message(ana, message.Held, dayOne), b.message(ana, message.Deferred, dayOne), b.message(ana, message.Pending, dayOne),
		b.message(ana, message.Handed, dayOne),
		b.message(ana, message.Sent, dayOne, dayOne.Add(40*day)), // clicked later
	}
	held := b.message(ben, message.Sent, dayOne)
	b.message("", message.Sent, dayOne) // a test to an address
	young := b.message("", message.Sent, dayOne.Add(90*day))
	_, err = b.eraser.PlaceHold(b.ctx, deskWS, HoldInput{ProfileID: ben, Reason: "case 7"})
	require.NoError(t, err)
	b.clock.set(dayOne.Add(100 * day))

	_, err = b.SetRule(b.ctx, deskWS, "", RetentionRule{Kind: RetainMessages, Action: RetainAnonymise, After: 90 * day}, nil)
	require.Equal(t, "ACTION", whyNot(err))
	rule := b.rule(RetentionRule{Kind: RetainMessages, After: 90 * day})
	operations := b.rule(RetentionRule{Kind: RetainMessages, Purpose: "operations", After: 30 * day})
	all := b.messages()
	require.Equal(t, map[string]int64{rule: 452, operations: 0}, b.retainNow(true).Rules)
	require.Equal(t, all, b.messages(), "a dry run changes nothing")
	done := b.retainNow(false)
	require.Equal(t, map[string]int64{rule: 452, operations: 0}, done.Rules)
	require.EqualValues(t, 1, done.Held)
	require.Equal(t, sorted(append(keep, held, young)...), b.messages())
	require.Zero(t, b.retainNow(false).Rules[rule], "nothing is left to delete")

	// Forty days later the click is old too, and what waits stays for ever.
	b.clock.set(dayOne.Add(140 * day))
	require.EqualValues(t, 1, b.retainNow(false).Rules[rule])
	require.Equal(t, sorted(append(keep[:4:4], held, young)...), b.messages())
	words, err := b.RetentionRules(b.ctx, deskWS)
	require.NoError(t, err)
	require.Contains(t, []string{words[0].Words(), words[1].Words()}, "messages are deleted 90 days after the last thing that happened to them")
}

// A hold that is placed between the look for holds and the commit stops the deletion.
func TestAHoldStopsTheDeletionOfMessages(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana"}`)
	id := b.message(ana, message.Delivered, dayOne)
	b.clock.set(dayOne.Add(100 * day))
	rule := b.rule(RetentionRule{Kind: RetainMessages, After: 90 * day})
	placed := false
	m := &meddled{Store: b.db}
	m.refuse = func(batch store.Batch) error {
		if !placed && slices.ContainsFunc(batch.Ops, func(op store.Op) bool { return op.Spec == message.Messages.Spec }) {
			placed = true
			_, err := b.eraser.PlaceHold(b.ctx, deskWS, HoldInput{ProfileID: ana, Reason: "case 7"})
			require.NoError(t, err)
		}
		return nil
	}
	b.Desk.o.Store = m
	done := b.retainNow(false)
	require.True(t, placed)
	require.EqualValues(t, 1, done.Held)
	require.Zero(t, done.Rules[rule])
	require.Equal(t, []string{id}, b.messages())
}
