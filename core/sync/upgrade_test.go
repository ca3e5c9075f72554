package sync_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/sync"
)

// A newer connector is given what the older one stored, configuration and cursor, once; what
// it makes of them is what goes on.
func TestANewerConnectorTakesOverWhatAnOlderOneStored(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connection()
	r.vendor.set("contacts", "1", map[string]any{"email": "a@shop.example", "name": "A"})
	y := r.twoWay(c)
	var from []sync.Stored
	r.vendor.mu.Lock()
	r.vendor.version = "v2.0.0"
	r.vendor.upgrade = func(old sync.Stored) (sync.Stored, error) {
		from = append(from, old)
		config := map[string]any{}
		if err := json.Unmarshal(old.Config, &config); err != nil {
			return old, err
		}
		config["limit"] = 7
		var err error
		old.Config, err = json.Marshal(config)
		return old, err
	}
	r.vendor.mu.Unlock()
	r.vendor.set("contacts", "2", map[string]any{"email": "b@shop.example", "name": "B"})
	run := r.run(y)
	require.Equal(t, sync.RunSucceeded, run.Status)
	require.Equal(t, int64(1), run.Written, "it goes on from the cursor")
	r.run(y)
	require.Len(t, from, 1, "it is asked once")
	require.Equal(t, "v1.0.0", from[0].Version)
	require.Contains(t, string(from[0].Config), "secret-canary")
	require.NotEmpty(t, from[0].Cursors["contacts"])
	now, err := r.Connection(r.ctx, ws, c.ConnectionID())
	require.NoError(t, err)
	require.Equal(t, "v2.0.0", now.ConnectorVersion)
	shown, err := now.ShownConfig()
	require.NoError(t, err)
	require.EqualValues(t, json.Number("7"), shown["limit"])
	require.Equal(t, sync.Masked, shown["token"])
	require.Len(t, r.audited("connection.upgrade"), 1)
}

// One that cannot use what is stored says so, and nothing of it is lost.
func TestAFailedUpgradeLeavesEverything(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connection()
	y := r.twoWay(c)
	r.vendor.mu.Lock()
	r.vendor.version = "v2.0.0"
	r.vendor.upgrade = func(sync.Stored) (sync.Stored, error) {
		return sync.Stored{}, &sync.Fault{Kind: sync.FaultInvalidConfig, Origin: sync.FromConfig, Path: "url", Message: "name the region"}
	}
	r.vendor.mu.Unlock()
	run := r.run(y)
	require.Equal(t, sync.RunFailed, run.Status)
	require.Equal(t, "name the region", run.Fault.Message)
	now, err := r.Connection(r.ctx, ws, c.ConnectionID())
	require.NoError(t, err)
	require.Equal(t, "v1.0.0", now.ConnectorVersion)
	state, _, err := r.Status(r.ctx, now)
	require.NoError(t, err)
	require.Equal(t, sync.InvalidConfig, state)
}
