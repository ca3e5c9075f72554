package policies_test

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/policies"
)

var noContact = policies.Rule{Role: "marketer", Purpose: policies.Any, Target: "CONTACT", Effect: core.Deny}

// After a change returned nobody in the process hears the old answer, and nobody in
// another process after a second, whether it follows the store's watch or not.
func TestNoStaleYes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hw.db")
	a := process(t, open(t, path))
	a.found(t, "Shop")
	b, c := process(t, open(t, path)), process(t, open(t, path))
	b.ws, c.ws = a.ws, a.ws
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.Run(ctx) }) // c follows, b does not
	defer wg.Wait()
	defer cancel()
	time.Sleep(100 * time.Millisecond)

	reads := func(h *house) bool { return h.decision(t, []string{"marketer"}, "CONTACT", "marketing").Allowed() }
	for round := range rounds(1, 1, 10) {
		require.True(t, reads(a) && reads(b) && reads(c))
		var revoked atomic.Bool
		var readers sync.WaitGroup
		stop := make(chan struct{})
		for range 4 {
			readers.Go(func() {
				for {
					before := revoked.Load()
					if yes := reads(a); yes && before {
						t.Error("a stale yes in the process of the change")
						return
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		a.set(a.admin, t, plus(noContact))
		revoked.Store(true)
		at := time.Now()
		require.False(t, reads(a))
		for reads(b) || reads(c) {
			require.Less(t, time.Since(at), time.Second, "round %d", round)
			time.Sleep(time.Millisecond)
		}
		close(stop)
		readers.Wait()
		a.set(a.admin, t, policies.Default())
		time.Sleep(1100 * time.Millisecond)
	}
}

// A key that was revoked decides nothing any more, by the actor that it once made.
func TestRevokedKeyHasNoView(t *testing.T) {
	h := setup(t)
	ctx, id := h.key(h.admin, t, "analyst")
	_, err := access.ViewOf(ctx)
	require.NoError(t, err)
	_, err = h.access.RevokeKey(h.admin, "", id)
	require.NoError(t, err)
	_, err = access.ViewOf(ctx)
	refused(t, err, core.Unauthenticated, "KEY_REVOKED")
	refused(t, access.Allow(ctx, access.Read), core.Unauthenticated, "KEY_REVOKED")
}

// cut is a store that can be cut off.
type cut struct {
	store.Store
	off atomic.Bool
}

func (c *cut) Get(ctx context.Context, spec *store.Spec, ids []string) ([]bson.Raw, error) {
	if c.off.Load() {
		return nil, store.ErrUnavailable
	}
	return c.Store.Get(ctx, spec, ids)
}

// Where the rules or the purposes cannot be read, everything is denied.
func TestErrorsDeny(t *testing.T) {
	s := &cut{Store: open(t, filepath.Join(t.TempDir(), "hw.db"))}
	h := process(t, s)
	h.found(t, "Shop")
	require.True(t, h.decision(t, []string{"admin"}, "CONTACT", "operations").Allowed())
	s.off.Store(true)
	time.Sleep(600 * time.Millisecond) // what is known is too old by now
	_, err := h.View(t.Context(), h.ws, []string{"admin"}, "operations")
	refused(t, err, core.Unavailable, "POLICY_UNAVAILABLE")
	_, err = h.HasPurpose(t.Context(), h.ws, "operations")
	refused(t, err, core.Unavailable, "POLICY_UNAVAILABLE")
	s.off.Store(false)
	require.True(t, h.decision(t, []string{"admin"}, "CONTACT", "operations").Allowed())
	h.purposes.mu.Lock()
	h.purposes.err = store.ErrUnavailable
	h.purposes.mu.Unlock()
	_, err = h.View(t.Context(), h.ws, []string{"admin"}, "operations")
	refused(t, err, core.Unavailable, "POLICY_UNAVAILABLE")
	refused(t, access.Allow(h.admin, access.Read), core.Unavailable, "POLICY_UNAVAILABLE")
	_, err = h.View(t.Context(), "", []string{"admin"}, "operations")
	require.Error(t, err)
}

func TestTwoWorkspacesNeverMeet(t *testing.T) {
	h := setup(t)
	first, admin := h.ws, h.admin
	out := h.set(admin, t, plus(noContact))
	h.found(t, "Other")
	require.True(t, h.decision(t, []string{"marketer"}, "CONTACT", "marketing").Allowed())
	v, err := h.Version(h.admin, out.Version.VersionID)
	require.NoError(t, err)
	require.Nil(t, v)
	_, err = h.Rollback(h.admin, 1, policies.Change{})
	refused(t, err, core.NotFound, "POLICY_VERSION")
	rules := policies.Default()
	rules.Roles = []policies.Role{{Name: "intern", Inherits: []string{"analyst"}}}
	h.set(h.admin, t, rules)
	own, err := h.OwnRoles(t.Context(), first)
	require.NoError(t, err)
	require.Empty(t, own)
	h.ws = first
	require.False(t, h.decision(t, []string{"marketer"}, "CONTACT", "marketing").Allowed())
	require.False(t, h.decision(t, []string{"intern"}, "DEVICE", "analytics").Allowed())
}

// View from what is known costs no memory; 500 rules.
func BenchmarkView(b *testing.B) {
	h, rules := setup(b), policies.Default()
	for len(rules.Rules) < 500 {
		n := len(rules.Rules)
		role := policies.Role{Name: "r" + string(rune('a'+n%26)) + string(rune('a'+n/26))}
		rules.Roles = append(rules.Roles[:min(len(rules.Roles), 90)], role)
		rules.Rules = append(rules.Rules, policies.Rule{
			Role: rules.Roles[n%len(rules.Roles)].Name, Purpose: []string{"operations", "marketing", "analytics", "support"}[n/90%4],
			Target: string(core.Categories[1+n%12]), Effect: core.Allow,
		})
	}
	rules.Rules = rules.Rules[:500]
	rules.Roles = slices.Clone(rules.Roles)
	_, err := h.Set(core.WithActor(context.Background(), access.System(h.ws, "bench")), policies.Change{Policy: known(rules)})
	require.NoError(b, err)
	held := []string{"marketer", "support"}
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.View(b.Context(), h.ws, held, "operations"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cold", func(b *testing.B) {
		for i := range b.N {
			h.purposes.mu.Lock()
			reg := *consent.DefaultRegister()
			reg.Revision = int64(i + 1)
			h.purposes.reg = &reg
			h.purposes.mu.Unlock()
			if _, err := h.View(b.Context(), h.ws, held, "operations"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// known drops the rules of roles that fell out of the list.
func known(rules policies.Rules) policies.Rules {
	names := map[string]bool{}
	for _, r := range access.Roles {
		names[r] = true
	}
	for _, r := range rules.Roles {
		names[r.Name] = true
	}
	kept := rules.Rules[:0:0]
	for _, r := range rules.Rules {
		if names[r.Role] {
			kept = append(kept, r)
		}
	}
	rules.Rules = kept
	return rules
}
