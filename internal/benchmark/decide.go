package benchmark

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/graph"
	"github.com/headwater-cdp/headwater/policies"
)

const (
	manyRules = 500
	ownRoles  = 50
)

// deciding compares what a decision costs under many rules with a read of a profile
// under the same rules.
func deciding(ctx context.Context, o Options, h *house, s graph.Services) (err error) {
	ws := h.keys.Workspace
	if _, err := s.Policies.Set(core.WithActor(ctx, access.System(ws, "bench")), policies.Change{Policy: rulebook()}); err != nil {
		return fmt.Errorf("decisions: %w", err)
	}
	server, err := serving(graph.Options{Services: s}, h.keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	g := newGraphQL(server)
	const rate = 200
	reads, err := openLoop(ctx, rate, o.size().run, func(ctx context.Context, _ int) error {
		var out struct{ Profile *struct{ ID string } }
		return g.query(ctx, &out, profileQuery, map[string]any{"value": UserID(rand.IntN(h.people))})
	})
	if err != nil {
		return fmt.Errorf("decisions: reads: %w", err)
	}
	p99 := float64(percentile(reads, 99)) / float64(time.Microsecond)
	cold, known, err := views(ctx, s.Policies, ws)
	if err != nil {
		return fmt.Errorf("decisions: %w", err)
	}
	against := fmt.Sprintf("p99 of a profile read, %.0f us, %d rules", p99, manyRules)
	micros := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	l := Line{Bench: "access.decision.p99", Value: micros(percentile(known, 99)), Unit: "us"}.beside(against, p99)
	met := *l.Ratio <= 0.05
	l.Target, l.Met = "ratio <= 0.05", &met
	if err := o.Report.Add(l); err != nil {
		return err
	}
	// Once for each list of roles and purpose, after the rules have changed.
	first := Line{Bench: "access.decision.first.p50", Value: micros(percentile(cold, 50)), Unit: "us"}.beside(against, p99)
	if err := o.Report.Add(first); err != nil {
		return err
	}
	return nil
}

// views times decisions on all categories and permissions: the first of each pair of
// roles under each purpose, and repeated ones. A request makes one.
func views(ctx context.Context, e *policies.Enforcer, ws string) (first, known []time.Duration, err error) {
	if _, err := e.View(ctx, ws, []string{"owner"}, "operations"); err != nil { // the rules are read
		return nil, nil, err
	}
	for _, to := range []*[]time.Duration{&first, &known} {
		for n := range ownRoles {
			for _, purpose := range []string{"operations", "marketing", "analytics", "support"} {
				roles := []string{access.Roles[n%len(access.Roles)], roleName(n)}
				began := time.Now()
				if _, err := e.View(ctx, ws, roles, purpose); err != nil {
					return nil, nil, err
				}
				*to = append(*to, time.Since(began))
			}
		}
	}
	return first, known, nil
}

func roleName(n int) string { return fmt.Sprintf("team%d", n) }

// rulebook is the default policy with roles of its own and so many rules.
func rulebook() policies.Rules {
	rules := policies.Default()
	for n := range ownRoles {
		rules.Roles = append(rules.Roles, policies.Role{Name: roleName(n)})
	}
	purposes := []string{"operations", "marketing", "analytics", "support"}
	for n := 0; len(rules.Rules) < manyRules; n++ {
		rules.Rules = append(rules.Rules, policies.Rule{
			Role: roleName(n % ownRoles), Purpose: purposes[n/ownRoles%len(purposes)],
			Target: string(core.Categories[1+n/ownRoles/len(purposes)]), Effect: core.Allow,
		})
	}
	return rules
}
