// Package pluginhost runs connectors: a process for each connection, from the bytes that
// internal/pluginhost/install checked, with nothing of ours in its hands but the configuration
// of that one connection.
//
// It would stand in plugins/host, but no folder of this module can lie beneath the root
// of another one.
//
// # What a process gets
//
// An environment of its own, an empty folder to work in, its own process group, limits of
// memory, files and core dumps, a lower priority than ours, and one connection over a
// socket with certificates that are made for it alone. It ends with us, however we end.
//
// # What it can do to us
//
// Nothing that lasts. A process that ends, hangs, is stopped, takes more memory than
// it may, answers more than 16 MiB, floods its log or fails again and again is killed with
// its group within seconds; its connection waits from a second up to five minutes before
// it is started again, and says why. A call whose answer got lost is an unknown outcome
// if it may have written something.
//
// A new version of the configuration, or of the program, is taken by a new process while
// the old one finishes its calls.
//
// Host implements the port of core/sync.
package pluginhost
