package floors

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFloors holds the whole project to the plan.
func TestFloors(t *testing.T) {
	pkgs, err := Read("../..")
	require.NoError(t, err)

	paths := make([]string, 0, len(pkgs))
	var lines []int
	for _, p := range pkgs {
		paths = append(paths, p.Path)
		for _, f := range p.Files {
			if !f.Generated {
				lines = append(lines, f.Lines)
			}
		}
	}
	for _, want := range []string{"core", "core/store", "internal/floors"} {
		require.Contains(t, paths, want, "the packages were not read")
	}
	slices.Sort(lines)
	over := 0
	for _, n := range lines {
		if n > 300 {
			over++
		}
	}
	t.Logf("%d packages, %d files written by hand: median %d lines, %d above 300, longest %d",
		len(pkgs), len(lines), lines[len(lines)/2], over, lines[len(lines)-1])

	for _, sentence := range Check(Plan, Fences, pkgs) {
		t.Error(sentence)
	}
}

// TestPlan refuses a plan that contradicts itself.
func TestPlan(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Plan {
		require.False(t, seen[f.Path], "%s stands twice in the plan", f.Path)
		seen[f.Path] = true
	}
	for _, f := range Plan {
		for _, p := range slices.Concat(f.For, f.Only) {
			require.True(t, seen[p], "%s names %s, which has no floor", f.Path, p)
		}
	}
}
