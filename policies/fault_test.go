package policies_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/faultstore"
	"github.com/headwater-cdp/headwater/policies"
)

func faulty(t *testing.T) (*house, *faultstore.Store) {
	t.Helper()
	s := faultstore.New(open(t, filepath.Join(t.TempDir(), "hw.db")))
	h := process(t, s)
	h.found(t, "Shop")
	return h, s
}

// readFails makes the nth read from now on fail, and those after it; fired says whether it
// came to that.
func readFails(n int, fired *bool) faultstore.Plan {
	reads := 0
	return func(c faultstore.Call) faultstore.Fault {
		if c.Op != faultstore.Read {
			return faultstore.Fault{}
		}
		if reads++; reads < n {
			return faultstore.Fault{}
		}
		*fired = true
		return faultstore.Fault{Kind: faultstore.Error}
	}
}

// Whichever read on the way of a decision fails, nobody is told yes who would not have
// been, and nobody who would have been is told no: they are told to come again.
func TestEveryReadThatFailsDenies(t *testing.T) {
	h, s := faulty(t)
	h.set(h.admin, t, plus(noContact))
	keys := map[string]string{}
	for _, role := range []string{"admin", "marketer"} {
		made, err := h.access.CreateKey(root, access.NewKey{Workspace: h.ws, Name: role, Roles: []string{role}})
		require.NoError(t, err)
		keys[role] = made.Secret
	}
	made, err := h.access.CreateKey(root, access.NewKey{Workspace: h.ws, Name: "gone", Roles: []string{"admin"}})
	require.NoError(t, err)
	_, err = h.access.RevokeKey(root, h.ws, made.Key.KeyID)
	require.NoError(t, err)

	ask := func(p *house, secret string) (contact core.Decision, governs bool, err error) {
		a, err := p.access.Authenticate(t.Context(), secret, "marketing")
		if err != nil {
			return contact, false, err
		}
		ctx := core.WithActor(t.Context(), a)
		v, err := access.ViewOf(ctx)
		if err != nil {
			require.Nil(t, v)
			return contact, false, err
		}
		err = access.Allow(ctx, access.Govern)
		if core.CodeOf(err) == core.Unavailable {
			return v.Reads(core.Contact), false, err
		}
		return v.Reads(core.Contact), err == nil, nil
	}
	failed := 0
	for n := 1; ; n++ {
		fired := false
		for _, role := range []string{"admin", "marketer"} {
			p := process(t, s) // knows nothing yet
			s.Use(readFails(n, &fired))
			contact, governs, err := ask(p, keys[role])
			s.Use(func(faultstore.Call) faultstore.Fault { return faultstore.Fault{} })
			if err != nil {
				failed++
				require.True(t, core.CodeOf(err) == core.Unavailable || errors.Is(err, store.ErrUnavailable), "%v", err)
				require.False(t, contact.Allowed() || governs)
				contact, governs, err = ask(p, keys[role]) // the failure is not kept
				require.NoError(t, err)
			}
			require.Equal(t, role == "admin", contact.Allowed())
			require.Equal(t, role == "admin", governs)
		}
		p := process(t, s)
		s.Use(readFails(n, new(bool)))
		_, _, err := ask(p, made.Secret)
		require.Error(t, err)
		s.Use(func(faultstore.Call) faultstore.Fault { return faultstore.Fault{} })
		if !fired {
			break
		}
	}
	require.Greater(t, failed, 4, "keys, workspaces, the head and the version are read")
}

// lost makes the next commit lose its reply, so many times.
func lost(times int) faultstore.Plan {
	faults := make([]faultstore.Fault, times)
	for i := range faults {
		faults[i].Kind = faultstore.LostReply
	}
	return faultstore.Script(faults...)
}

// A change whose reply is lost is there once, whether the server asks again or the caller.
func TestLostReplies(t *testing.T) {
	for name, times := range map[string]int{"the server asks again": 1, "the caller asks again": 5} {
		t.Run(name, func(t *testing.T) {
			h, s := faulty(t)
			officer, _ := h.key(root, t, "compliance")
			twice := func(do func() error) {
				t.Helper()
				s.Use(lost(times))
				err := do()
				if times == 1 {
					require.NoError(t, err)
					return
				}
				require.Error(t, err)
				require.NoError(t, do())
			}
			seen := int64(0)
			change := policies.Change{Policy: plus(noContact), ExpectedVersion: &seen}
			twice(func() error { _, err := h.Set(h.admin, change); return err })
			require.Len(t, h.recorded(t, "policy.set"), 1)
			require.False(t, h.decision(t, []string{"marketer"}, "CONTACT", "marketing").Allowed())

			var out *policies.Outcome
			twice(func() (err error) {
				out, err = h.Set(officer, policies.Change{Policy: plus(noContact, complianceMarkets)})
				return err
			})
			require.Len(t, h.recorded(t, "policy.propose"), 1)
			n, err := h.access.CountApprovals(h.admin, access.ApprovalPending)
			require.NoError(t, err)
			require.EqualValues(t, 1, n)

			if times > 1 { // access gives up earlier than the policy does
				times = 4
			}
			twice(func() error {
				_, err := h.access.DecideApproval(h.admin, out.Approval.ApprovalID, true, "")
				return err
			})
			require.Len(t, h.recorded(t, "policy.set"), 2)
			v, err := h.Present(h.admin)
			require.NoError(t, err)
			require.EqualValues(t, 2, v.Number)
			require.Eventually(t, func() bool {
				v, err := h.View(context.Background(), h.ws, []string{"compliance"}, "marketing")
				return err == nil && v.Reads(core.Contact).Allowed()
			}, 2*time.Second, 10*time.Millisecond)
		})
	}
}
