// Command headwater is the one server binary: it wires the packages together and
// offers subcommands; what they do is in the packages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // the same time zones on every machine

	"github.com/alecthomas/kong"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/internal/benchmark"
)

// version is set by the release build; else it is the commit that Go recorded.
var version = ""

// cli is the command line. Each flag can also be set in the environment as
// HEADWATER_NAME and in the file given with --config as "name: value".
type cli struct {
	Config    kong.ConfigFlag  `help:"YAML file with values for flags (name: value)." placeholder:"FILE"`
	LogLevel  slog.Level       `help:"Least level to log: DEBUG, INFO, WARN or ERROR." default:"INFO"`
	LogFormat string           `help:"Form of the log, on standard error." enum:"text,json" default:"text"`
	Version   kong.VersionFlag `help:"Print the version and exit." env:"-"`

	Serve     serveCmd     `cmd:"" help:"Serve on a store."`
	Demo      demoCmd      `cmd:"" help:"Serve a demo workspace; the first start fills it."`
	Workspace workspaceCmd `cmd:"" help:"Create, list and delete workspaces, and make keys."`
	Import    importCmd    `cmd:"" help:"Import events from NDJSON or CSV."`
	Rebuild   rebuildCmd   `cmd:"" help:"Refold what is derived from the event log, or check that it equals."`
	Backup    backupCmd    `cmd:"" help:"Write a consistent backup while the store is in use."`
	Restore   restoreCmd   `cmd:"" help:"Restore a backup into an empty store."`
	Audit     auditCmd     `cmd:"" help:"Export, verify and sign for audit logs."`
	Privacy   privacyCmd   `cmd:"" help:"Erasures: check receipts, keep the list, erase again after a restore."`
	Connector connectorCmd `cmd:"" help:"Pack, install and run connectors."`
	Sandbox   sandboxCmd   `cmd:"" help:"Serve emulators of the vendors, for trying connectors."`
	Bench     benchCmd     `cmd:"" help:"Measure, one JSON object a line."`
	Schema    schemaCmd    `cmd:"" help:"Print the GraphQL schema."`
	Health    healthCmd    `cmd:"" help:"Ask a running server whether it is ready."`
}

// env is what a command may use of its surroundings.
type env struct {
	ctx    context.Context // ends on the first SIGINT or SIGTERM
	out    io.Writer
	log    *slog.Logger
	clock  core.Clock
	parsed *kong.Context
}

func main() {
	if benchmark.Act() {
		return
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: 0 done, 1 it did not work, 2 the command line
// is wrong.
func run(args []string, out, errOut io.Writer) int {
	var c cli
	exit := -1
	parser, err := kong.New(&c,
		kong.Name("headwater"),
		kong.Description("A headless customer data platform."),
		kong.Writers(out, errOut),
		kong.Exit(func(code int) { exit = code }),
		kong.DefaultEnvars("HEADWATER"),
		kong.Configuration(loadConfig),
		kong.Vars{"version": buildVersion()},
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(errOut, "headwater:", err)
		return 1
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 { // --help or --version has answered
		return exit
	}
	if err != nil {
		fmt.Fprintln(errOut, "headwater:", err)
		fmt.Fprintln(errOut, "Run headwater --help for the commands, headwater COMMAND --help for its flags.")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)

	e := &env{ctx: ctx, out: out, log: newLogger(errOut, c.LogFormat, c.LogLevel), clock: core.SystemClock{}, parsed: parsed}
	if err := parsed.Run(e); err != nil {
		fmt.Fprintln(errOut, "headwater:", describe(err))
		return 1
	}
	return 0
}

// describe is an error for the person at the terminal.
func describe(err error) string {
	var e *core.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	s := fmt.Sprintf("%s (%s)", e.Message, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func newLogger(w io.Writer, format string, level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "dev-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "dev"
}
