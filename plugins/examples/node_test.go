package examples

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/headwater-cdp/headwater/plugins/sdktest"
	"github.com/headwater-cdp/headwater/plugins/sdktest/loopback"
)

// The Node connector passes the kit. HEADWATER_NODE_MODULES names a folder with
// @grpc/grpc-js and @grpc/proto-loader; without it, node/node_modules is used.
func TestNodeConforms(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is missing: the connector in Node is not tried")
	}
	modules := os.Getenv("HEADWATER_NODE_MODULES")
	if modules == "" {
		modules, _ = filepath.Abs("node/node_modules")
	}
	if _, err := os.Stat(filepath.Join(modules, "@grpc", "grpc-js")); err != nil {
		t.Skip("@grpc/grpc-js is missing: run npm install in plugins/examples/node, or set HEADWATER_NODE_MODULES")
	}
	script, err := filepath.Abs("node/connector.js")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "connector")
	if err := os.WriteFile(program, fmt.Appendf(nil, "#!/bin/sh\nexec %q %q \"$@\"\n", node, script), 0o755); err != nil {
		t.Fatal(err)
	}
	sdktest.Run(t, sdktest.Kit{
		Program: program, Env: []string{"NODE_PATH=" + modules},
		Vendor: func(t testing.TB) sdktest.Vendor {
			v := loopback.NewVendor()
			t.Cleanup(v.Close)
			return v.Kit()
		},
	})
}
