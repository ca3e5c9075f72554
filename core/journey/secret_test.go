package journey_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/store"
)

// receiver remembers with which secrets it was called.
type receiver chan string

// Call implements journey.Caller.
func (r receiver) Call(_ context.Context, _, _ string, c journey.CallWebhook, secret string, _ any) error {
	r <- c.Secret + "=" + secret
	return nil
}

// A webhook node signs with the secret that it names, as it is at the call; at rest it is
// sealed.
func TestWebhooksAreSignedWithTheSecretTheyName(t *testing.T) {
	h := newHouse(t)
	calls := make(receiver, 10)
	h.Caller = calls
	first, second := "first-secret-of-crm", "second-secret-of-crm"
	zero := int64(0)
	s, err := h.SetSecret(h.ctx(), ws, "crm", first, &zero)
	require.NoError(t, err)
	_, err = h.SetSecret(h.ctx(), ws, "crm", first, &zero)
	require.Equal(t, "VERSION", core.AsError(err).Reason)
	for want, in := range map[string][2]string{"SECRET": {"crm", "short"}, "SECRET_NAME": {"a b", first}} {
		_, err := h.SetSecret(h.ctx(), ws, in[0], in[1], nil)
		require.Equal(t, want, core.AsError(err).Reason)
	}
	stored, err := journey.Secrets.Get(t.Context(), h.store, store.Key(ws, "crm"))
	require.NoError(t, err)
	require.False(t, bytes.Contains(stored.Sealed, []byte(first)))
	require.Equal(t, s.Version(), stored.V)

	h.published(drawing("", []string{
		`in {"entry":{"event":{"name":"Go"}}}`, `own {"webhook":{"url":"https://a.example/x"}}`, `crm {"webhook":{"url":"https://a.example/x","secret":"crm"}}`,
	}, "in next own", "own next crm"))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.runner.Run(ctx) }()
	defer func() { cancel(); <-done }()
	called := func() (out []string) {
		require.NoError(t, h.Turn(h.ctx(), ws))
		for end := time.Now().Add(20 * time.Second); len(out) < 2; {
			require.True(t, time.Now().Before(end), "nobody called")
			select {
			case c := <-calls:
				out = append(out, c)
			case <-time.After(5 * time.Millisecond):
				h.clock.Advance(20 * time.Millisecond)
			}
		}
		return out
	}
	h.track("ana", "Go", `{}`)
	require.ElementsMatch(t, []string{"=", "crm=" + first}, called())
	_, err = h.SetSecret(h.ctx(), ws, "crm", second, &s.V)
	require.NoError(t, err)
	h.track("ben", "Go", `{}`)
	require.ElementsMatch(t, []string{"=", "crm=" + second}, called())
}
