package benchmark

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// hostileQueries are queries that must be refused before they cost anything.
func hostileQueries() map[string]string {
	var aliases, fragments, wide strings.Builder
	aliases.WriteString("{")
	for i := range 10_000 {
		fmt.Fprintf(&aliases, "a%d:viewer{id} ", i)
	}
	aliases.WriteString("}")
	// Each fragment spreads the next one ten times: 10^30 fields.
	fragments.WriteString("query{profiles(first:200){edges{node{...f0}}}}")
	for i := range 30 {
		fmt.Fprintf(&fragments, " fragment f%d on Profile{%s}", i, strings.Repeat(fmt.Sprintf("...f%d ", i+1), 10))
	}
	fragments.WriteString(" fragment f30 on Profile{id}")
	wide.WriteString("{")
	for wide.Len() < 1<<20 {
		wide.WriteString("viewer{id roles purposes} ")
	}
	wide.WriteString("}")
	return map[string]string{
		"aliases":   aliases.String(),
		"fragments": fragments.String(),
		"megabyte":  wide.String(),
		"cycle":     "{profiles(first:1){edges{node{...a}}}} fragment a on Profile{...b} fragment b on Profile{...a}",
		"depth":     "{viewer" + strings.Repeat("{a", 300) + strings.Repeat("}", 301),
		"lists":     "{profiles(first:200){edges{node{events(first:200){edges{node{id properties}}} merges{id}}}}}",
		"comments":  "{viewer{id}" + strings.Repeat("#\n", 400_000) + "}",
		"brackets":  strings.Repeat("{a", 200_000),
	}
}

// Hostile sends queries made to hurt, a few times each, and reports the slowest
// refusal. A query that is not refused is an error.
func Hostile(ctx context.Context, r *Report, s *Server) error {
	g := newGraphQL(s)
	var worst time.Duration
	culprit := ""
	for name, q := range hostileQueries() {
		for range 5 {
			start := time.Now()
			a, err := g.send(ctx, q, nil)
			took := time.Since(start)
			if err != nil {
				return fmt.Errorf("hostile query %s: %w", name, err)
			}
			if len(a.Errors) == 0 && a.status < 400 {
				return fmt.Errorf("hostile query %s was answered", name)
			}
			if took > worst {
				worst, culprit = took, name
			}
		}
	}
	return r.Add(Line{Bench: "graphql.hostile.slowest", Value: millis(worst), Unit: "ms", Against: culprit}.atMost("<= 50", 50))
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
