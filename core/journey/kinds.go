package journey

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/condition"
)

// kinds are the keys of steps, in the order of the canonical form.
var kinds = []string{
	"entry", "message", "wait", "branch", "split", "holdout", "updateTrait", "upsertObject", "webhook",
	"coupon", "points", "score", "task", "approval", "subJourney", "goal", "exit",
}

// Kind names what the step does, as its key in JSON does; "" for nothing.
func (s *Step) Kind() string {
	for i, given := range []bool{
		s.Entry != nil, s.Message != nil, s.Wait != nil, s.Branch != nil, s.Split != nil, s.Holdout != nil, s.UpdateTrait != nil, s.UpsertObject != nil, s.Webhook != nil,
		s.Coupon != nil, s.Points != nil, s.Score != nil, s.Task != nil, s.Approval != nil, s.SubJourney != "", s.Goal != nil, s.Exit,
	} {
		if given {
			return kinds[i]
		}
	}
	return ""
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// escape writes a text as one piece of a path or a query.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// goodPath tells whether a dotted path has a key at each of its steps.
func goodPath(path string) bool {
	if path == "" || len(path) > condition.MaxName {
		return false
	}
	return !slices.Contains(condition.SplitPath(path), "")
}
