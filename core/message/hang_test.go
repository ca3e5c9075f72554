package message_test

import (
	"context"
	"slices"
	stdsync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
)

// With a vendor that does not answer for a minute, a withdrawal waits for nobody: it is
// acknowledged while the calls hang, says which messages are with the vendor, and no other of
// the person's is handed over afterwards, however many wait in the outbox.
func TestAWithdrawalDoesNotWaitForAVendorThatHangs(t *testing.T) {
	people := 2000
	if testing.Short() {
		people = 200
	}
	if long() {
		people = 100_000
	}
	answer := make(chan struct{})
	let := stdsync.OnceFunc(func() { close(answer) })
	p := newPostman()
	p.send = func(ctx context.Context, m sync.Message) (sync.Sent, error) {
		select {
		case <-answer:
		case <-time.After(time.Minute):
		case <-ctx.Done():
		}
		return sync.Sent{ID: m.Key}, nil
	}
	db := openStore(t, "")
	r := rigOver(t, db, p, core.SystemClock{})
	r.setUp()
	other := rigOver(t, db, p, core.SystemClock{})
	r.consent.InFlight = func(ctx context.Context, ws, profile string) ([]consent.InFlight, error) {
		list, err := r.InFlight(ctx, ws, profile)
		out := make([]consent.InFlight, len(list))
		for i, f := range list {
			out[i] = consent.InFlight(f)
		}
		return out, err
	}
	var ids []string
	for from := 0; from < people; from += 500 {
		var numbers []int
		for i := from; i < min(people, from+500); i++ {
			numbers = append(numbers, i)
		}
		ids = append(ids, r.persons(numbers)...)
	}
	of := map[string][]string{} // two of each
	for chunk := range slices.Chunk(ids, 1000) {
		var intents []message.Intent
		for _, id := range chunk {
			for range 2 {
				in := intent(id)
				intents, of[id] = append(intents, in), append(of[id], in.ID)
			}
		}
		r.queue(intents...)
	}
	defer let()
	r.start()
	other.start()
	require.Eventually(t, func() bool { return p.total() > 0 }, 60*time.Second, 10*time.Millisecond, "some calls hang")
	handed := map[string]bool{} // who has a message with the vendor
	list, err := message.Messages.Find(r.ctx, db, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("status", string(message.Handed))}, Order: []string{"-at"}}, 0)
	require.NoError(t, err)
	for _, m := range list {
		handed[m.Part] = true
	}
	require.NotEmpty(t, handed)
	var who []string // those whose message hangs, and as many others
	rest := 60
	for _, id := range ids {
		if handed[id] {
			who = append(who, id)
		} else if rest > 0 {
			who, rest = append(who, id), rest-1
		}
	}
	begun := time.Now()
	flights := map[string][]string{}
	acknowledged := map[string]time.Time{}
	for _, id := range who {
		out, err := r.consent.Withdraw(r.ctx, ws, consent.WithdrawInput{ProfileID: id, Purpose: consent.Marketing})
		require.NoError(t, err)
		acknowledged[id] = time.Now()
		for _, f := range out.InFlight {
			flights[id] = append(flights[id], f.ID)
		}
	}
	took := time.Since(begun)
	t.Logf("%d people inside, %d withdrawals in %s while %d calls hang", people, len(who), took, p.total())
	require.Less(t, took, 45*time.Second, "nobody waited for the vendor, which takes a minute")
	for id := range handed {
		require.NotEmpty(t, flights[id], "what is with the vendor is in the answer")
	}
	let()
	// What was handed over and not called goes to the end of the queue.
	patience := time.Now().Add(30*time.Second + time.Duration(people)*5*time.Millisecond)
	over := func(id string) *message.Message {
		for {
			m := r.get(id)
			if m.Status == message.Sent || m.Status == message.Cancelled {
				return m
			}
			require.True(t, time.Now().Before(patience), "%s %s", m.Status, m.Reason)
			time.Sleep(10 * time.Millisecond)
		}
	}
	for _, id := range who {
		for _, msg := range of[id] {
			m := over(msg)
			if m.Status == message.Sent {
				require.False(t, m.Attempt.At.After(acknowledged[id]), "handed over after the withdrawal was acknowledged")
				require.Contains(t, flights[id], msg, "and not in its answer")
			}
		}
	}
	for _, id := range who {
		for _, msg := range of[id] {
			m, err := message.Messages.Get(r.ctx, db, store.Key(ws, msg))
			require.NoError(t, err)
			require.LessOrEqual(t, p.sentTo(msg), 1)
			require.Equal(t, m.Status == message.Sent, p.sentTo(msg) == 1)
		}
	}
}
