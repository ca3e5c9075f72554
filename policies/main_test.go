package policies_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/policies"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	silent = slog.New(slog.NewTextHandler(io.Discard, nil))
	root   = core.WithActor(context.Background(), access.Operator("test"))
)

// rounds is how often a test repeats itself: under -short, as a rule, and with
// HEADWATER_TEST_LONG set.
func rounds(short, usual, long int) int {
	switch {
	case testing.Short():
		return short
	case os.Getenv("HEADWATER_TEST_LONG") != "":
		return long
	}
	return usual
}

// entry is what was recorded.
type entry struct {
	store.Meta `bson:",inline"`
	Action     string            `bson:"action"`
	Resource   string            `bson:"resource"`
	Details    map[string]string `bson:"details"`
}

var entries = store.Declare[entry](store.Spec{Name: "entries", Indexes: []store.Index{store.On("action")}})

func open(t testing.TB, path string) store.Store {
	t.Helper()
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Options{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(ctx)) })
	specs := append(append(append(append(access.Specs(), policies.Specs()...), consent.Specs()...), work.Specs()...), store.Specs()...)
	require.NoError(t, s.Declare(ctx, append(specs, entries.Spec)...))
	return s
}

// purposes is a register that a test may exchange.
type purposes struct {
	mu  sync.Mutex
	reg *consent.Register
	err error
}

func (p *purposes) get(context.Context, string) (*consent.Register, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reg, p.err
}

// house is the policy with the access service over a store, as one process has it.
type house struct {
	*policies.Enforcer
	access   *access.Service
	store    store.Store
	purposes *purposes
	ws       string
	admin    context.Context
	adminID  string
	adminKey string
}

// process starts the services of one process.
func process(t testing.TB, s store.Store) *house {
	t.Helper()
	return processAt(t, s, core.SystemClock{})
}

// renew starts the process of h again, with another clock.
func (h *house) renew(t testing.TB, clock core.Clock) {
	t.Helper()
	next := processAt(t, h.store, clock)
	h.Enforcer, h.access, h.purposes = next.Enforcer, next.access, next.purposes
	h.admin = h.as(t, h.adminKey)
}

func processAt(t testing.TB, s store.Store, clock core.Clock) *house {
	t.Helper()
	h := &house{store: s, purposes: &purposes{reg: consent.DefaultRegister()}}
	h.access = access.New(access.Options{Store: s, Logger: silent, Clock: clock})
	record := func(_ context.Context, ws, action, resource string, details map[string]string) (store.Op, error) {
		id := store.Key(ws, core.NewID("aud", time.Now()))
		return entries.Insert(&entry{Meta: store.Meta{ID: id}, Action: action, Resource: resource, Details: details}), nil
	}
	h.Enforcer = policies.New(policies.Options{Store: s, Logger: silent, Clock: clock, Purposes: h.purposes.get, Access: h.access, Record: record})
	h.access.SetPolicy(h.Enforcer)
	h.access.SetPurposes(h.HasPurpose)
	return h
}

func setup(t testing.TB) *house {
	t.Helper()
	h := process(t, open(t, filepath.Join(t.TempDir(), "hw.db")))
	h.found(t, "Shop")
	return h
}

// found makes a workspace and acts as its admin from then on.
func (h *house) found(t testing.TB, name string) {
	t.Helper()
	made, err := h.access.CreateWorkspace(root, name)
	require.NoError(t, err)
	h.ws = made.Workspace.ID
	h.adminKey = made.AdminKey
	h.admin = h.as(t, made.AdminKey)
	h.adminID = core.ActorFrom(h.admin).ID
}

func (h *house) as(t testing.TB, secret string) context.Context {
	t.Helper()
	a, err := h.access.Authenticate(context.Background(), secret, "")
	require.NoError(t, err)
	return core.WithActor(context.Background(), a)
}

// key makes a key as by and acts with it.
func (h *house) key(by context.Context, t testing.TB, roles ...string) (ctx context.Context, id string) {
	t.Helper()
	made, err := h.access.CreateKey(by, access.NewKey{Workspace: h.ws, Name: "test", Roles: roles})
	require.NoError(t, err)
	return h.as(t, made.Secret), made.Key.KeyID
}

func (h *house) set(ctx context.Context, t testing.TB, rules policies.Rules) *policies.Outcome {
	t.Helper()
	out, err := h.Set(ctx, policies.Change{Policy: rules})
	require.NoError(t, err)
	return out
}

func (h *house) decision(t testing.TB, roles []string, target, purpose string) core.Decision {
	t.Helper()
	v, err := h.View(context.Background(), h.ws, roles, purpose)
	require.NoError(t, err)
	if slices.Contains(access.Permissions, access.Permission(target)) {
		return v.Permits(target)
	}
	return v.Reads(core.Category(target))
}

// plus returns the default rules with more.
func plus(more ...policies.Rule) policies.Rules {
	rules := policies.Default()
	rules.Rules = append(rules.Rules, more...)
	return rules
}

// without returns the default rules less those that drop says.
func without(drop func(policies.Rule) bool) policies.Rules {
	rules := policies.Default()
	rules.Rules = slices.DeleteFunc(rules.Rules, drop)
	return rules
}

func (h *house) recorded(t testing.TB, action string) []*entry {
	t.Helper()
	found, err := entries.Find(context.Background(), h.store, store.Query{Workspace: h.ws, Where: []store.Cond{store.Eq("action", action)}}, 0)
	require.NoError(t, err)
	return found
}

func refused(t testing.TB, err error, code core.Code, reason string) {
	t.Helper()
	var e *core.Error
	require.True(t, errors.As(err, &e), "%v", err)
	require.Equal(t, code, e.Code, "%v", err)
	require.Equal(t, reason, e.Reason, "%v", err)
}
