package access_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
)

func TestAuthenticate(t *testing.T) {
	f := setup(t)
	ctx := context.Background()
	a, err := f.Authenticate(ctx, f.made.WriteKey, "")
	require.NoError(t, err)
	require.Equal(t, []string{access.Write}, a.Roles)
	require.Equal(t, f.made.Workspace.ID, a.Workspace)
	require.Equal(t, f.made.Source, a.Source)
	require.Equal(t, core.PrefixKey, core.IDPrefix(a.ID))

	_, err = f.Authenticate(ctx, "", "")
	refused(t, err, core.Unauthenticated, "MISSING_KEY")
	reads := f.store.gets.Load()
	typo := []byte(f.made.WriteKey)
	typo[10], typo[11] = typo[11], typo[10]
	if typo[10] == typo[11] {
		typo[10]++
	}
	for _, bad := range []string{"hw_", "nonsense", string(typo), f.made.WriteKey[:30], f.made.WriteKey + "x", strings.ToUpper(f.made.WriteKey)} {
		_, err = f.Authenticate(ctx, bad, "")
		refused(t, err, core.Unauthenticated, "UNKNOWN_KEY")
		require.NotContains(t, err.Error(), bad+" ")
	}
	require.Equal(t, reads, f.store.gets.Load(), "a mistyped key costs no read")

	other := setup(t)
	_, err = f.Authenticate(ctx, other.made.WriteKey, "")
	refused(t, err, core.Unauthenticated, "UNKNOWN_KEY")
}

func TestSecretsAreNotStored(t *testing.T) {
	f := setup(t)
	snap, err := f.store.Snapshot(context.Background())
	require.NoError(t, err)
	defer func() { _ = snap.Close() }()
	n := 0
	require.NoError(t, snap.Each(context.Background(), access.Keys.Spec, func(raw bson.Raw) error {
		n++
		for _, secret := range []string{f.made.AdminKey, f.made.WriteKey} {
			require.NotContains(t, string(raw), secret)
			require.NotContains(t, string(raw), secret[12:])
		}
		return nil
	}))
	require.Equal(t, 2, n)
}

func TestCreateKey(t *testing.T) {
	f := setup(t)
	k := f.key(t, access.NewKey{
		Name: " Newsletter ", Roles: []string{access.Marketer}, Purposes: []string{"marketing", "support"}, Purpose: "support",
		ExpiresAt: epoch.Add(time.Hour), IdempotencyKey: "k1",
	})
	require.True(t, strings.HasPrefix(k.Secret, "hw_m_"))
	require.Equal(t, k.Secret[:9], k.Key.Prefix)
	require.Equal(t, "Newsletter", k.Key.Name)
	a, err := f.Authenticate(context.Background(), k.Secret, "")
	require.NoError(t, err)
	require.Equal(t, "support", a.Purpose)
	a, err = f.Authenticate(context.Background(), k.Secret, "marketing")
	require.NoError(t, err)
	require.Equal(t, "marketing", a.Purpose)
	_, err = f.Authenticate(context.Background(), k.Secret, "profiling")
	refused(t, err, core.Forbidden, "PURPOSE_NOT_ALLOWED")

	_, err = f.CreateKey(f.admin, access.NewKey{Name: "x", Roles: []string{access.Marketer}, IdempotencyKey: "k1"})
	refused(t, err, core.Conflict, "KEY_EXISTS")
	for reason, k := range map[string]access.NewKey{
		"NAME":                {Name: "\n", Roles: []string{access.Analyst}},
		"ROLE_REQUIRED":       {Name: "x"},
		"UNKNOWN_ROLE":        {Name: "x", Roles: []string{"root"}},
		"WRITE_ALONE":         {Name: "x", Roles: []string{access.Write, access.Admin}, Source: "src_1"},
		"SOURCE_REQUIRED":     {Name: "x", Roles: []string{access.Write}},
		"SOURCE_UNUSED":       {Name: "x", Roles: []string{access.Analyst}, Source: "src_1"},
		"UNKNOWN_SCOPE":       {Name: "x", Roles: []string{access.Admin}, Scopes: []string{"fly"}},
		"PURPOSE_NOT_ALLOWED": {Name: "x", Roles: []string{access.Admin}, Purposes: []string{"a"}, Purpose: "b"},
		"IN_THE_PAST":         {Name: "x", Roles: []string{access.Admin}, ExpiresAt: epoch},
		"QUOTA":               {Name: "x", Roles: []string{access.Admin}, Quota: access.Quota{PerSecond: -1}},
		"PURPOSE":             {Name: "x", Roles: []string{access.Admin}, Purposes: []string{""}},
	} {
		_, err := f.CreateKey(f.admin, k)
		refused(t, err, core.Invalid, reason)
		require.NotEmpty(t, core.AsError(err).Path)
	}
	_, err = f.CreateKey(f.admin, access.NewKey{Workspace: "ws_OTHER", Name: "x", Roles: []string{access.Admin}})
	refused(t, err, core.Forbidden, "OTHER_WORKSPACE")
	_, err = f.CreateKey(root, access.NewKey{Name: "x", Roles: []string{access.Admin}})
	refused(t, err, core.Invalid, "WORKSPACE_REQUIRED")
}

func TestNoEscalation(t *testing.T) {
	f := setup(t)
	_, err := f.CreateKey(f.admin, access.NewKey{Name: "x", Roles: []string{access.Owner}})
	refused(t, err, core.Forbidden, "ESCALATION")
	owner, err := f.CreateKey(root, access.NewKey{Workspace: f.made.Workspace.ID, Name: "x", Roles: []string{access.Owner}})
	require.NoError(t, err)
	_, err = f.RevokeKey(f.admin, "", owner.Key.KeyID)
	refused(t, err, core.Forbidden, "ESCALATION")
	_, err = f.CreateKey(f.as(t, owner.Secret), access.NewKey{Name: "x", Roles: []string{access.Owner}})
	require.NoError(t, err)

	narrow := f.as(t, f.key(t, access.NewKey{Roles: []string{access.Admin}, Scopes: []string{"read", "manage"}, Purposes: []string{"support"}}).Secret)
	refused(t, access.Allow(narrow, access.Change), core.Forbidden, "SCOPE")
	for _, k := range []access.NewKey{
		{Roles: []string{access.Admin}, Purposes: []string{"support"}},
		{Roles: []string{access.Admin}, Purposes: []string{"support"}, Scopes: []string{"read", "change"}},
		{Roles: []string{access.Admin}, Scopes: []string{"read"}},
		{Roles: []string{access.Admin}, Scopes: []string{"read"}, Purposes: []string{"support", "marketing"}},
	} {
		k.Name = "x"
		_, err := f.CreateKey(narrow, k)
		refused(t, err, core.Forbidden, "ESCALATION")
	}
	_, err = f.CreateKey(narrow, access.NewKey{Name: "x", Roles: []string{access.Admin}, Scopes: []string{"read"}, Purposes: []string{"support"}})
	require.NoError(t, err)
}

func TestPermissions(t *testing.T) {
	f := setup(t)
	all := "read ingest design change manage govern audit consent connect review send engage"
	want := map[string]string{
		access.Owner: all, access.Admin: all, access.Marketer: "read design review send engage", access.Analyst: "read", access.Support: "read consent engage",
		access.Compliance: "read audit govern consent review", access.Developer: "read ingest design connect", access.Connector: "read ingest",
		access.Write: "ingest", "unheard-of": "",
	}
	for role, may := range want {
		ctx := core.WithActor(context.Background(), &core.Actor{Workspace: f.made.Workspace.ID, ID: "key_x", Roles: []string{role}})
		for _, p := range access.Permissions {
			err := access.Allow(ctx, p)
			if strings.Contains(may, string(p)) {
				require.NoError(t, err, "%s %s", role, p)
			} else {
				refused(t, err, core.Forbidden, "ROLE")
			}
			require.Equal(t, err == nil, access.Can(ctx, p))
		}
		if may != want[access.Admin] {
			_, err := f.Keys(ctx, "", core.PageArgs{})
			refused(t, err, core.Forbidden, "ROLE")
		}
	}
	_, err := access.Require(context.Background(), access.Read)
	refused(t, err, core.Unauthenticated, "MISSING_KEY")
	require.False(t, access.Can(context.Background(), access.Read))
	_, err = f.CreateWorkspace(f.admin, "Another")
	refused(t, err, core.Forbidden, "OPERATOR")
	_, err = f.ListWorkspaces(f.admin, core.PageArgs{})
	refused(t, err, core.Forbidden, "OPERATOR")
}

func TestExpiryAndRotation(t *testing.T) {
	f := setup(t)
	ctx := context.Background()
	old := f.key(t, access.NewKey{Roles: []string{access.Write}, Source: "src_1", Purposes: []string{"p"}, Purpose: "p", ExpiresAt: epoch.Add(48 * time.Hour), Quota: access.Quota{PerSecond: 5}})
	f.clock.Advance(10 * time.Hour)
	next, err := f.RotateKey(f.admin, "", old.Key.KeyID, access.DefaultGrace)
	require.NoError(t, err)
	a, err := f.Authenticate(ctx, next.Secret, "")
	require.NoError(t, err)
	require.Equal(t, "src_1", a.Source)
	require.Equal(t, "p", a.Purpose)
	require.Equal(t, old.Key.KeyID, next.Key.RotatedFrom)
	require.Equal(t, epoch.Add(58*time.Hour), next.Key.ExpiresAt, "the same length of life again")
	_, err = f.RotateKey(f.admin, "", old.Key.KeyID, 0)
	refused(t, err, core.Conflict, "KEY_ROTATED")

	f.clock.Advance(24*time.Hour - time.Millisecond)
	_, err = f.Authenticate(ctx, old.Secret, "")
	require.NoError(t, err)
	f.clock.Advance(time.Millisecond)
	_, err = f.Authenticate(ctx, old.Secret, "")
	refused(t, err, core.Unauthenticated, "KEY_EXPIRED")
	f.clock.Advance(24 * time.Hour)
	_, err = f.Authenticate(ctx, next.Secret, "")
	refused(t, err, core.Unauthenticated, "KEY_EXPIRED")
	_, err = f.RotateKey(f.admin, "", next.Key.KeyID, 0)
	refused(t, err, core.Conflict, "KEY_NOT_ACTIVE")
	_, err = f.RotateKey(f.admin, "", "key_unknown", 0)
	refused(t, err, core.NotFound, "KEY")
	_, err = f.RotateKey(f.admin, "", next.Key.KeyID, -1)
	refused(t, err, core.Invalid, "GRACE")

	leaked := f.key(t, access.NewKey{Roles: []string{access.Analyst}})
	f.as(t, leaked.Secret)
	_, err = f.RotateKey(f.admin, "", leaked.Key.KeyID, 0)
	require.NoError(t, err)
	_, err = f.Authenticate(ctx, leaked.Secret, "")
	refused(t, err, core.Unauthenticated, "KEY_EXPIRED")
}

func TestRevokeCountsAtOnce(t *testing.T) {
	f := setup(t)
	k := f.key(t, access.NewKey{Roles: []string{access.Analyst}})
	f.as(t, k.Secret)
	revoked, err := f.RevokeKey(f.admin, "", k.Key.KeyID)
	require.NoError(t, err)
	require.Equal(t, epoch, revoked.RevokedAt)
	_, err = f.Authenticate(context.Background(), k.Secret, "")
	refused(t, err, core.Unauthenticated, "KEY_REVOKED")
	f.clock.Advance(time.Hour)
	again, err := f.RevokeKey(f.admin, "", k.Key.KeyID)
	require.NoError(t, err)
	require.Equal(t, epoch, again.RevokedAt.UTC())
}

// While many requests use a key, its revocation counts for each request that
// begins after it returned.
func TestRevokeUnderLoad(t *testing.T) {
	f := setup(t)
	for range 10 {
		k := f.key(t, access.NewKey{Roles: []string{access.Analyst}})
		revoked := make(chan struct{})
		wrong := make(chan error, 8)
		for range 8 {
			go func() {
				for {
					after := false
					select {
					case <-revoked:
						after = true
					default:
					}
					_, err := f.Authenticate(context.Background(), k.Secret, "")
					if after {
						wrong <- err
						return
					}
				}
			}()
		}
		time.Sleep(2 * time.Millisecond)
		_, err := f.RevokeKey(f.admin, "", k.Key.KeyID)
		require.NoError(t, err)
		close(revoked)
		for range 8 {
			refused(t, <-wrong, core.Unauthenticated, "KEY_REVOKED")
		}
	}
}

func TestCacheSparesTheStore(t *testing.T) {
	f := setup(t)
	before := f.store.gets.Load()
	begun := time.Now()
	for range 10_000 {
		f.as(t, f.made.WriteKey)
	}
	// A key and its workspace are read once a second.
	require.LessOrEqual(t, f.store.gets.Load()-before, 2*(1+int64(time.Since(begun)/time.Second)))
}

func TestListKeys(t *testing.T) {
	f := setup(t)
	var want []string
	for range 5 {
		f.clock.Advance(time.Second)
		want = append([]string{f.key(t, access.NewKey{Roles: []string{access.Analyst}}).Key.KeyID}, want...)
	}
	other, err := f.CreateWorkspace(root, "Other")
	require.NoError(t, err)
	three := 3
	var got []string
	page := core.PageArgs{First: &three}
	for {
		p, err := f.Keys(f.admin, "", page)
		require.NoError(t, err)
		for _, k := range p.Items {
			require.NotEqual(t, other.Workspace.ID, k.Workspace)
			got = append(got, k.KeyID)
		}
		if !p.HasNext {
			break
		}
		page.After = &p.Cursors[len(p.Cursors)-1]
	}
	require.Equal(t, want, got[:5])
	require.Len(t, got, 7)
	n, err := f.CountKeys(f.admin, "")
	require.NoError(t, err)
	require.EqualValues(t, 7, n)
}

func TestLastUsed(t *testing.T) {
	f := setup(t)
	stop := background(t, f.Run)
	k := f.key(t, access.NewKey{Roles: []string{access.Analyst}})
	used := func() time.Time {
		got, err := f.Key(f.admin, "", k.Key.KeyID)
		require.NoError(t, err)
		return got.LastUsedAt
	}
	require.True(t, used().IsZero())
	f.as(t, k.Secret)
	until(t, "written", func() bool { f.clock.Advance(time.Second); return !used().IsZero() })
	first := used()
	for range 50 { // less than a minute
		f.as(t, k.Secret)
		f.clock.Advance(time.Second)
	}
	require.Equal(t, first, used(), "at most once a minute")
	f.clock.Advance(time.Minute)
	f.store.off.Store(true) // noting it down must not fail a request
	_, _ = f.Authenticate(context.Background(), k.Secret, "")
	f.store.off.Store(false)
	f.clock.Advance(time.Minute)
	f.as(t, k.Secret)
	stop() // writes what is left
	require.True(t, used().After(first))
	doc, err := access.Usages.Get(context.Background(), f.store, store.Key(f.made.Workspace.ID, k.Key.KeyID))
	require.NoError(t, err)
	require.LessOrEqual(t, doc.V, int64(3))
}

func TestQuota(t *testing.T) {
	f := setup(t)
	k := f.key(t, access.NewKey{Roles: []string{access.Write}, Source: "src_1", Quota: access.Quota{PerSecond: 10, Burst: 50}})
	ctx := f.as(t, k.Secret)
	require.NoError(t, f.Spend(ctx, 30))
	require.NoError(t, f.Spend(ctx, 20))
	err := f.Spend(ctx, 20)
	refused(t, err, core.RateLimited, "QUOTA_EXCEEDED")
	require.Equal(t, 2*time.Second, core.AsError(err).RetryAfter)
	f.clock.Advance(2 * time.Second)
	require.NoError(t, f.Spend(ctx, 20), "what was refused cost nothing")
	f.clock.Advance(5 * time.Second)
	require.NoError(t, f.Spend(ctx, 500), "a large batch is slowed, never impossible")
	refused(t, f.Spend(ctx, 1), core.RateLimited, "QUOTA_EXCEEDED")
	f.as(t, k.Secret)
	refused(t, f.Spend(ctx, 1), core.RateLimited, "QUOTA_EXCEEDED")

	free := f.as(t, f.made.WriteKey)
	require.NoError(t, f.Spend(free, 1_000_000))
	refused(t, f.Spend(context.Background(), 1), core.Unauthenticated, "MISSING_KEY")
}
