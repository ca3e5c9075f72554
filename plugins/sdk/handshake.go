package sdk

import (
	"context"
	"errors"
	"log/slog"

	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// MaxMessage is the largest message that either side takes, in bytes.
const MaxMessage = 16 << 20

// PluginName is the one name in a plugin set.
const PluginName = "connector"

// Handshake is what go-plugin's host and connector know each other by. It is no secret:
// it keeps a person from starting a connector by hand and waiting for something to happen.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  ProtocolVersion,
	MagicCookieKey:   "HEADWATER_CONNECTOR",
	MagicCookieValue: "3f6c0a52e1b94d7f8a7d1c5be0f2d946",
}

// HostPlugins is what a host gives to go-plugin as VersionedPlugins: each version of the
// contract that this SDK speaks, the newest and the one before it. Dispense(PluginName)
// returns a *Remote. log takes what connectors log; secrets have been taken out once, by
// the connector, which the host need not believe.
//
//	client := plugin.NewClient(&plugin.ClientConfig{
//		HandshakeConfig:  sdk.Handshake,
//		VersionedPlugins: sdk.HostPlugins(log),
//		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
//		GRPCDialOptions:  sdk.DialOptions(),
//		AutoMTLS:         true, SkipHostEnv: true, …
//	})
func HostPlugins(log slog.Handler) map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{1: {PluginName: &grpcPlugin{log: log}}}
}

// connectorPlugins is the other end of HostPlugins.
func connectorPlugins(s *server) map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{1: {PluginName: &grpcPlugin{server: s}}}
}

// DialOptions are those of a host's connection to a connector.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithDefaultCallOptions(
		grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage),
	)}
}

func serverOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage), grpc.UnaryInterceptor(keepDeadline)}
}

// grpcPlugin is both ends of the contract for go-plugin.
type grpcPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	server *server
	log    slog.Handler
}

var _ plugin.GRPCPlugin = (*grpcPlugin)(nil)

// GRPCServer implements plugin.GRPCPlugin.
func (p *grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, g *grpc.Server) error {
	if p.server == nil {
		return errors.New("this end is the host's")
	}
	p.server.register(g)
	return nil
}

// GRPCClient implements plugin.GRPCPlugin.
func (p *grpcPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return NewRemote(conn, p.log), nil
}
