package message_test

import (
	"context"
	"fmt"
	"os"
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

func long() bool { return os.Getenv("HEADWATER_TEST_LONG") != "" }

// once a withdrawal is acknowledged, no hand-off commits after it, whatever was queued or
// claimed and however long the vendor takes; what was handed over before is in its answer.
func TestNoHandOffAfterAWithdrawal(t *testing.T) {
	people := 120
	if long() {
		people = 3000
	}
	p := newPostman()
	p.send = func(ctx context.Context, m sync.Message) (sync.Sent, error) {
		select { // a vendor that takes its time
		case <-time.After(30 * time.Millisecond):
		case <-ctx.Done():
		}
		return sync.Sent{ID: m.Key}, nil
	}
	db := openStore(t, "")
	r := rigOver(t, db, p, core.SystemClock{})
	r.setUp()
	other := rigOver(t, db, p, core.SystemClock{})
	var numbers []int
	for i := range people {
		numbers = append(numbers, i)
	}
	ids := r.persons(numbers)
	r.consent.InFlight = func(ctx context.Context, ws, profile string) ([]consent.InFlight, error) {
		list, err := r.InFlight(ctx, ws, profile)
		out := make([]consent.InFlight, len(list))
		for i, f := range list {
			out[i] = consent.InFlight(f)
		}
		return out, err
	}
	var intents []message.Intent
	for _, id := range ids {
		for range 2 {
			intents = append(intents, intent(id))
		}
	}
	of := map[string][]string{}
	for _, in := range intents {
		of[in.Profile] = append(of[in.Profile], in.ID)
	}
	r.queue(intents...)
	r.start()
	other.start()
	type word struct {
		at      time.Time
		flights map[string]bool
	}
	var mu stdsync.Mutex
	words := map[string]word{}
	var wg stdsync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; i < len(ids); i += 4 {
				done, err := r.consent.Withdraw(r.ctx, ws, consent.WithdrawInput{ProfileID: ids[i], Purpose: consent.Marketing})
				if err != nil {
					t.Errorf("withdraw: %v", err)
					return
				}
				flights := map[string]bool{}
				for _, f := range done.InFlight {
					flights[f.ID] = true
				}
				mu.Lock()
				words[ids[i]] = word{time.Now(), flights}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Eventually(t, func() bool {
		n, err := r.Count(r.ctx, ws, message.Filter{Status: []message.Status{message.Pending, message.Handed, message.Deferred, message.Held}})
		return err == nil && n == 0
	}, 60*time.Second, 50*time.Millisecond)
	handed, cancelled, flown := 0, 0, 0
	for _, who := range ids {
		for _, id := range of[who] {
			m, err := message.Messages.Get(r.ctx, db, store.Key(ws, id))
			require.NoError(t, err)
			switch m.Status {
			case message.Cancelled:
				cancelled++
				require.Nil(t, m.Attempt, "a message that was never handed over has no attempt")
			case message.Sent:
				handed++
				w := words[who]
				require.False(t, m.Attempt.At.After(w.at), "handed over after the withdrawal was acknowledged")
				if w.flights[id] {
					flown++
				}
				if m.Timeline[0].At.After(w.at) { // it was under way when the withdrawal was acknowledged
					require.True(t, w.flights[id], "what is in flight is in the answer")
				}
			default:
				require.Fail(t, "what became of a message", "%s %s", m.Status, m.Reason)
			}
		}
	}
	t.Logf("%d handed over before, %d of them in flight at the withdrawal, %d cancelled", handed, flown, cancelled)
	require.NotZero(t, cancelled)
	for key, n := range p.keys {
		require.Equal(t, 1, n, key)
	}
}

func TestASwitchStopsWhatIsQueued(t *testing.T) {
	p := newPostman()
	p.send = func(context.Context, sync.Message) (sync.Sent, error) {
		time.Sleep(20 * time.Millisecond)
		return sync.Sent{}, nil
	}
	r := newRig(t, p)
	var numbers []int
	for i := range 60 {
		numbers = append(numbers, i)
	}
	var intents []message.Intent
	for _, id := range r.persons(numbers) {
		intents = append(intents, intent(id))
	}
	ids := r.queue(intents...)
	require.Eventually(t, func() bool { return p.total() > 0 }, 10*time.Second, time.Millisecond)
	_, flights, err := r.SetSwitch(r.ctx, ws, "", true, "stop")
	at := time.Now()
	require.NoError(t, err)
	t.Logf("%d in flight", len(flights))
	require.Eventually(t, func() bool {
		n, err := r.Count(r.ctx, ws, message.Filter{Status: []message.Status{message.Pending, message.Handed}})
		return err == nil && n == 0
	}, 20*time.Second, 20*time.Millisecond)
	for _, id := range ids {
		if m := r.get(id); m.Status != message.Held {
			require.Equal(t, message.Sent, m.Status)
			require.False(t, m.Attempt.At.After(at))
		}
	}
}

func TestCapsHoldWithTwoProcesses(t *testing.T) {
	db := openStore(t, "")
	p := newPostman()
	r := rigOver(t, db, p, core.SystemClock{})
	r.setUp()
	other := rigOver(t, db, p, core.SystemClock{})
	_, err := r.SetSettings(r.ctx, ws, nil, false, func(s *message.Settings) {
		s.Caps = []message.Cap{{Limit: 2, Rolling: time.Hour}}
	})
	require.NoError(t, err)
	var intents []message.Intent
	ids := r.persons([]int{1, 2, 3, 4, 5, 6, 7, 8})
	for i := range 5 {
		for _, id := range ids {
			intents = append(intents, intent(id, func(in *message.Intent) { // over several channels: several lanes
				in.Channel = []string{message.Email, message.SMS, message.InApp}[i%3]
			}))
		}
	}
	all := r.queue(intents...)
	r.start()
	other.start()
	for _, id := range all {
		r.becomes(id, message.Sent, message.Delivered, message.Skipped)
	}
	sent := map[string]int{}
	for _, id := range all {
		if m := r.get(id); m.Status != message.Skipped {
			sent[m.Part]++
		}
	}
	for _, id := range ids {
		require.Equal(t, 2, sent[id], fmt.Sprint(sent))
	}
}
