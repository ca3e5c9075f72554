// Package sdk is what the author of a connector imports.
//
// A connector is a program of its own. It describes itself with a Spec, and Open makes
// one configured Connection of it; Serve answers the host until the process ends:
//
//	func main() { sdk.Serve(shop.Connector{}) }
//
// What a Connection can do is said by the small interfaces it implements beside
// Connection itself:
//
//	source       Discoverer, Puller, Receiver
//	destination  Upserter, Lister, Forwarder, ConsentSetter, Eraser
//	channel      Sender, StatusReader
//	either       Authorizer, Upgrader
//
// Upgrader may also stand on the Connector, where it works before Open does.
//
// One process serves one connection, so that a connector may keep its clients, tokens
// and limits in its Connection; its methods may be called at the same time.
//
// Logger(host) is the connector's log, and what slog's default logger takes goes there too.
//
// The other side, for hosts: HostPlugins, Remote and RemoteConnection; Attach for a
// connector under a debugger, InProcess for tests.
//
// # What never happens in a connector
//
// It keeps nothing on disk, logs no value of a person and no secret, and does not try
// again for long: it returns a Fault that says when to come back, and the host keeps the
// queue. Every write may arrive twice with the same key.
package sdk
