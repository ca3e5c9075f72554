package floors

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var dependencyRow = regexp.MustCompile("(?m)^\\| `([^`\\s]+\\.[^`\\s]+/[^`\\s]+)` \\| \\S")

// TestDependenciesAreJustified demands that CONTRIBUTING.md says of each direct
// dependency what it is for, and of no others.
func TestDependenciesAreJustified(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	require.NoError(t, json.Unmarshal(out, &mod))
	var direct []string
	for _, r := range mod.Require {
		if !r.Indirect {
			direct = append(direct, r.Path)
		}
	}
	require.NotEmpty(t, direct)

	text, err := os.ReadFile("../../CONTRIBUTING.md")
	require.NoError(t, err)
	var told []string
	for _, m := range dependencyRow.FindAllSubmatch(text, -1) {
		told = append(told, string(m[1]))
	}
	slices.Sort(told)
	slices.Sort(direct)
	require.Equal(t, direct, told, "CONTRIBUTING.md, section Dependencies: one line for each direct requirement of go.mod")
}
