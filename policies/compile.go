package policies

import (
	"fmt"
	"slices"
	"sync"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"

	"github.com/headwater-cdp/headwater/core/consent"
)

// compiled is the rules of a workspace at one version, over one revision of its
// purposes, with the views that were made of them.
type compiled struct {
	number int64
	rules  Rules
	reg    *consent.Register
	dom    string

	mu        sync.Mutex // of the enforcers, whose role managers are not for several at once
	enforcers map[string]*casbin.Enforcer

	viewsMu sync.RWMutex
	views   map[uint64][]*viewed
}

// compile takes rules for the workspace dom, or Any for the defaults, which all
// workspaces share.
func compile(number int64, rules Rules, reg *consent.Register, dom string) *compiled {
	return &compiled{
		number: number, rules: rules, reg: reg, dom: dom,
		enforcers: map[string]*casbin.Enforcer{}, views: map[uint64][]*viewed{},
	}
}

// enforcer returns the Casbin enforcer for one role, made at the first question. It
// holds the rules of that role and of those it inherits: Casbin looks at every rule
// for every answer, and of a workspace's rules most are of other roles. The caller
// holds mu.
func (c *compiled) enforcer(role string) (*casbin.Enforcer, error) {
	if e, ok := c.enforcers[role]; ok {
		return e, nil
	}
	m, err := model.NewModelFromString(modelText)
	if err != nil {
		return nil, fmt.Errorf("policies: model: %w", err)
	}
	e, err := casbin.NewEnforcer(m)
	if err != nil {
		return nil, fmt.Errorf("policies: enforcer: %w", err)
	}
	// Casbin's role managers give up after ten steps, so every ancestor is named directly.
	closure := c.rules.closure([]string{role})
	var rows, roles, purposes [][]string
	for _, r := range c.rules.Rules {
		if slices.Contains(closure, r.Role) {
			rows = append(rows, r.row(c.dom))
		}
	}
	for _, parent := range closure[1:] {
		roles = append(roles, []string{role, parent, c.dom})
	}
	for _, key := range c.reg.Keys() {
		for _, parent := range c.reg.Chain(key)[1:] {
			purposes = append(purposes, []string{key, parent})
		}
	}
	if len(rows) > 0 {
		if _, err := e.AddPoliciesEx(rows); err != nil {
			return nil, fmt.Errorf("policies: rules: %w", err)
		}
	}
	for name, links := range map[string][][]string{"g": roles, "g2": categoryGroups, "g3": purposes} {
		if len(links) == 0 {
			continue
		}
		if _, err := e.AddNamedGroupingPoliciesEx(name, links); err != nil {
			return nil, fmt.Errorf("policies: links %s: %w", name, err)
		}
	}
	if len(c.enforcers) < maxEnforcers {
		c.enforcers[role] = e
	}
	return e, nil
}

// maxEnforcers bounds what is kept for roles: those that there are, and names that
// keys still have of roles that are no more.
const maxEnforcers = 500
