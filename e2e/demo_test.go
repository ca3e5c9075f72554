package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDemo starts what `make run` starts, twice: the first start fills the store
// and writes the keys, and has the connectors beside it; the second finds both.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("it loads a year of a shop")
	}
	data := t.TempDir()
	count := func(program string) (int, keys) {
		s := startProgram(t, program, 5*time.Minute, "demo", "--addr", "127.0.0.1:0", "--data", data)
		text, err := os.ReadFile(filepath.Join(data, "keys.json"))
		require.NoError(t, err)
		info, err := os.Stat(filepath.Join(data, "keys.json"))
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "the keys are nobody else's")
		var k keys
		require.NoError(t, json.Unmarshal(text, &k))
		for name, key := range map[string]string{
			"workspace": k.Workspace, "adminKey": k.AdminKey, "writeKey": k.WriteKey,
			"marketerKey": k.MarketerKey, "analystKey": k.AnalystKey, "complianceKey": k.ComplianceKey,
		} {
			require.NotEmpty(t, key, name)
		}
		var shop struct {
			Profiles struct {
				TotalCount int
				Edges      []struct {
					Node struct {
						Events struct {
							Edges []struct{ Node struct{ Name string } }
						}
					}
				}
			}
		}
		s.query(t, k.AdminKey, `{ profiles(first: 5) { totalCount edges { node { events(first: 5) { edges { node { name } } } } } } }`, nil, &shop)
		require.Len(t, shop.Profiles.Edges, 5)
		for _, e := range shop.Profiles.Edges {
			require.NotEmpty(t, e.Node.Events.Edges, "a profile is the fold of its events")
		}
		if program != binary {
			checkConnections(t, s, k)
		}
		s.stop(t)
		return shop.Profiles.TotalCount, k
	}
	people, first := count(withConnectors(t))
	require.GreaterOrEqual(t, people, 3000)
	again, second := count(binary)
	require.Equal(t, people, again, "the second start changes nothing")
	require.Equal(t, first, second)
}
