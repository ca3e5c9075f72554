package sdktest_test

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	hclog "github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// servePlain is what go-plugin does by itself: it does not see that its host is gone.
func servePlain() {
	if os.Getenv(sdk.Handshake.MagicCookieKey) == "" {
		os.Exit(1)
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: sdk.Handshake, Logger: hclog.NewNullLogger(),
		VersionedPlugins: map[int]plugin.PluginSet{1: {sdk.PluginName: &nothing{}}},
		GRPCServer:       func(o []grpc.ServerOption) *grpc.Server { return grpc.NewServer(o...) },
	})
}

// serveDeaf does not hear SIGTERM, and ends some time later.
func serveDeaf() {
	go func() {
		time.Sleep(40 * time.Second)
		os.Exit(0)
	}()
	signal.Ignore(syscall.SIGTERM)
	servePlain()
}

type nothing struct {
	plugin.NetRPCUnsupportedPlugin
	plugin.GRPCPlugin
}

func (nothing) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }
