package policies

import (
	"fmt"
	"sync"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/consent"
)

// compiled is the rules of a workspace at one version, over one revision of its
// purposes, with the views that were made of them.
type compiled struct {
	number int64
	rules  Rules
	reg    *consent.Register
	dom    string

	mu     sync.Mutex // of casbin, whose role managers are not for several at once
	casbin *casbin.Enforcer

	viewsMu sync.RWMutex
	views   map[uint64][]*viewed
}

// compile makes a Casbin enforcer of the rules. dom is the workspace, or Any for the
// defaults, which all workspaces share.
func compile(number int64, rules Rules, reg *consent.Register, dom string) (*compiled, error) {
	m, err := model.NewModelFromString(modelText)
	if err != nil {
		return nil, fmt.Errorf("policies: model: %w", err)
	}
	e, err := casbin.NewEnforcer(m)
	if err != nil {
		return nil, fmt.Errorf("policies: enforcer: %w", err)
	}
	// Casbin's role managers give up after ten steps, so every ancestor is named directly.
	var rows, roles, purposes [][]string
	for _, r := range rules.Rules {
		rows = append(rows, r.row(dom))
	}
	for _, p := range []access.Permission{access.Govern, access.Audit} {
		rows = append(rows, Rule{Role: access.Owner, Purpose: Any, Target: string(p), Effect: core.Allow}.row(dom))
	}
	for _, r := range rules.Roles {
		for _, parent := range rules.closure([]string{r.Name})[1:] {
			roles = append(roles, []string{r.Name, parent, dom})
		}
	}
	for _, key := range reg.Keys() {
		for _, parent := range reg.Chain(key)[1:] {
			purposes = append(purposes, []string{key, parent})
		}
	}
	if _, err := e.AddPoliciesEx(rows); err != nil {
		return nil, fmt.Errorf("policies: rules: %w", err)
	}
	for name, links := range map[string][][]string{"g": roles, "g2": categoryGroups, "g3": purposes} {
		if len(links) == 0 {
			continue
		}
		if _, err := e.AddNamedGroupingPoliciesEx(name, links); err != nil {
			return nil, fmt.Errorf("policies: links %s: %w", name, err)
		}
	}
	return &compiled{number: number, rules: rules, reg: reg, dom: dom, casbin: e, views: map[uint64][]*viewed{}}, nil
}
