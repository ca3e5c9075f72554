package journey_test

import (
	"bytes"
	"context"
	"strings"
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
func (r receiver) Call(_ context.Context, _, _ string, c journey.CallWebhook, secrets []string, _ any) error {
	r <- c.Secret + "=" + strings.Join(secrets, "+")
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

func whySecret(err error) string {
	if err == nil {
		return ""
	}
	return core.AsError(err).Reason
}

// A secret that is made here is shown once, signs together with the one before for a time,
// and goes when no live version signs with it.
func TestSecretsAreMadeRotatedAndDeleted(t *testing.T) {
	h := newHouse(t)
	s, shown, err := h.CreateSecret(h.ctx(), ws, journey.SecretInput{Name: "crm", IdempotencyKey: "k"})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(shown, s.Prefix))
	require.Len(t, s.Prefix, 8)
	require.Greater(t, len(shown), 40)
	for want, in := range map[string]journey.SecretInput{
		"SECRET_SHOWN": {Name: "crm", IdempotencyKey: "k"}, "SECRET_TAKEN": {Name: "crm", IdempotencyKey: "other"},
		"SECRET": {Name: "erp", Value: "short"}, "SECRET_NAME": {Name: "a b"},
	} {
		_, again, err := h.CreateSecret(h.ctx(), ws, in)
		require.Equal(t, want, whySecret(err))
		require.Empty(t, again)
	}
	given := journey.SecretInput{Name: "erp", Value: "a-secret-of-the-erp", IdempotencyKey: "e"}
	for range 2 {
		one, shown, err := h.CreateSecret(h.ctx(), ws, given)
		require.NoError(t, err)
		require.Empty(t, shown, "who gave it has it")
		require.EqualValues(t, 1, one.Version())
	}
	signs := func(name string) []string {
		list, err := h.SigningSecrets(h.ctx(), ws, name)
		require.NoError(t, err)
		return list
	}
	require.Equal(t, []string{shown}, signs("crm"))

	_, _, err = h.RotateSecret(h.ctx(), ws, journey.RotateInput{Name: "crm", Overlap: 31 * 24 * time.Hour, ExpectedVersion: 1})
	require.Equal(t, "OVERLAP", whySecret(err))
	_, _, err = h.RotateSecret(h.ctx(), ws, journey.RotateInput{Name: "crm", ExpectedVersion: 7})
	require.Equal(t, "VERSION", whySecret(err))
	next, fresh, err := h.RotateSecret(h.ctx(), ws, journey.RotateInput{Name: "crm", Overlap: time.Hour, ExpectedVersion: 1})
	require.NoError(t, err)
	require.NotEqual(t, shown, fresh)
	require.Equal(t, []string{fresh, shown}, signs("crm"))
	list, err := h.ListSecrets(h.ctx(), ws)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.NotEqual(t, s.Print, list[0].Print)
	require.Equal(t, list[0].UsedAt, h.clock.Now().UTC().Truncate(time.Minute))
	require.True(t, list[1].UsedAt.IsZero())
	require.False(t, list[0].OldUntil.IsZero())
	h.clock.Advance(time.Hour)
	require.Equal(t, []string{fresh}, signs("crm"), "the overlap is over")
	list, err = h.ListSecrets(h.ctx(), ws)
	require.NoError(t, err)
	require.True(t, list[0].OldUntil.IsZero())

	// While a live version names it, it stays.
	j := h.published(drawing("", []string{
		`in {"entry":{"event":{"name":"Go"}}}`, `crm {"webhook":{"url":"https://a.example/x","secret":"crm"}}`,
	}, "in next crm"))
	err = h.DeleteSecret(h.ctx(), ws, "crm", next.Version(), false)
	require.Equal(t, "SECRET_IN_USE", whySecret(err))
	require.Contains(t, core.AsError(err).Message, j.JourneyID()+") version 1")
	_, _, err = h.Stop(h.ctx(), ws, j.JourneyID(), journey.Edit{})
	require.NoError(t, err)
	require.Equal(t, "VERSION", whySecret(h.DeleteSecret(h.ctx(), ws, "crm", 1, false)))
	require.NoError(t, h.DeleteSecret(h.ctx(), ws, "crm", next.Version(), true), "a dry run says that it may go")
	require.NoError(t, h.DeleteSecret(h.ctx(), ws, "crm", next.Version(), false))
	require.Equal(t, "SECRET", whySecret(h.DeleteSecret(h.ctx(), ws, "crm", next.Version(), false)))
	_, err = h.SigningSecrets(h.ctx(), ws, "crm")
	require.Equal(t, "SECRET", whySecret(err), "nothing goes unsigned that was to be signed")

	// The workspace's own, where a node names none.
	require.Empty(t, signs(""))
	own, shown, err := h.CreateSecret(h.ctx(), ws, journey.SecretInput{Name: journey.DefaultSecret})
	require.NoError(t, err)
	require.Equal(t, []string{shown}, signs(""))
	h.published(drawing("", []string{`in {"entry":{"event":{"name":"Go"}}}`, `own {"webhook":{"url":"https://a.example/x"}}`}, "in next own"))
	require.Equal(t, "SECRET_IN_USE", whySecret(h.DeleteSecret(h.ctx(), ws, journey.DefaultSecret, own.Version(), false)))
}
