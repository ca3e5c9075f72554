package policies

import (
	"slices"

	"github.com/headwater-cdp/headwater/core"
)

// maxViews bounds the views that are kept of one version of the rules: roles and
// purposes that exist are few, but lists of roles can be written in many ways.
const maxViews = 10_000

// viewed is a view with what it was made for.
type viewed struct {
	roles   []string
	purpose string
	view    *core.View
}

// view returns the view of the roles under a purpose, made at the first question.
func (c *compiled) view(roles []string, purpose string) (*core.View, error) {
	if c.reg.Purpose(purpose) == nil {
		// Any text may be asked for: what is kept does not grow by it.
		known, err := c.viewKnown(roles, "")
		if err != nil {
			return nil, err
		}
		v := *known
		v.Purpose = purpose
		return &v, nil
	}
	return c.viewKnown(roles, purpose)
}

func (c *compiled) viewKnown(roles []string, purpose string) (*core.View, error) {
	key := hashOf(roles, purpose)
	c.viewsMu.RLock()
	for _, known := range c.views[key] {
		if known.purpose == purpose && slices.Equal(known.roles, roles) {
			c.viewsMu.RUnlock()
			return known.view, nil
		}
	}
	c.viewsMu.RUnlock()
	v, err := c.make(roles, purpose)
	if err != nil {
		return nil, err
	}
	c.viewsMu.Lock()
	defer c.viewsMu.Unlock()
	if len(c.views) >= maxViews {
		clear(c.views)
	}
	c.views[key] = append(c.views[key], &viewed{slices.Clone(roles), purpose, v})
	return v, nil
}

// hashOf is FNV-1a over the roles and the purpose: it makes a key without making a
// string.
func hashOf(roles []string, purpose string) uint64 {
	h := uint64(14695981039346656037)
	add := func(s string) {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	for _, r := range roles {
		add(r)
	}
	add(purpose)
	return h
}
