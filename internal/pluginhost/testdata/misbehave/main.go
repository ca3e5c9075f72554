// Command misbehave is a connector that does what its configuration says, most of which
// no connector should.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// The tests write other values over these in the program, so that it is linked once only.
var (
	version = "v1.0.0-misbehave"
	lies    = "misbehave lies: no"
)

type config struct {
	Mode  string `json:"mode"` // of Check and Pull
	Open  string `json:"open"`
	Token string `json:"token"`
	Name  string `json:"name"`
}

type connector struct{}

func (connector) Spec() sdk.Spec {
	s := sdk.Spec{
		Name: "misbehave", Version: version, Title: "Misbehave", Kinds: []sdk.Kind{sdk.Source, sdk.Destination},
		ConfigSchema: json.RawMessage(`{"type":"object","properties":{"mode":{"type":"string"},"open":{"type":"string"},"name":{"type":"string"},"token":{"type":"string","writeOnly":true}}}`),
		Capabilities: []sdk.Capability{sdk.CanPull, sdk.CanUpsert}, Hosts: []string{"api.example.com"}, Categories: []string{"CONTACT"},
		Processor: sdk.Processor{Name: "Nobody Ltd"}, Limits: sdk.Limits{MemoryMiB: 128},
	}
	if strings.HasSuffix(lies, "ye") && len(os.Args) == 1 {
		s.Hosts = append(s.Hosts, "other.example.com") // its manifest says something else
	}
	return s
}

func (connector) Open(ctx context.Context, raw sdk.Config, host sdk.Host) (sdk.Connection, error) {
	var c config
	if err := raw.Into(&c); err != nil {
		return nil, err
	}
	switch c.Open {
	case "exit":
		os.Exit(3)
	case "hang":
		select {}
	case "invalid":
		return nil, sdk.InvalidConfig("name", "there is no such shop")
	}
	return &connection{c, host}, nil
}

type connection struct {
	config
	host sdk.Host
}

func (c *connection) Check(ctx context.Context) error {
	switch c.Mode {
	case "panic":
		go panic("the token is " + c.Token + " of ann@example.com")
		select {}
	case "panics":
		panic(c.Token)
	case "exit":
		os.Exit(3)
	case "hang":
		select {}
	case "slow":
		<-ctx.Done()
		return ctx.Err()
	case "sleep":
		time.Sleep(700 * time.Millisecond)
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		select {}
	case "eat":
		var all [][]byte
		for {
			all = append(all, fill(8<<20))
		}
	case "flood":
		for {
			_, _ = syscall.Write(2, []byte(strings.Repeat("all work and no play ", 20)+"\n"))
		}
	case "floodlog":
		for {
			slog.Info("all work and no play", "token", c.Token)
		}
	case "floodstd":
		for {
			fmt.Println("all work and no play")
		}
	case "say":
		slog.Warn("a line", "token", c.Token, "who", "ann@example.com", "phone", "+49 170 1234567")
		fmt.Fprintln(os.Stderr, "another line with "+c.Token)
		_, _ = syscall.Write(2, []byte("a raw line with "+c.Token+" of ann@example.com\n"))
	case "spawn":
		cmd := exec.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			return err
		}
		return sdk.RetryAfter(time.Duration(cmd.Process.Pid), "the pid")
	case "escape", "bare": // into a session of its own, with and without what it would be known by
		cmd := exec.Command("sleep", "600")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if c.Mode == "bare" {
			cmd.Env = []string{"NOTHING=1"}
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		return sdk.RetryAfter(time.Duration(cmd.Process.Pid), "the pid")
	case "fork":
		for range 100 {
			if err := exec.Command("sleep", "600").Start(); err != nil {
				return err
			}
		}
		<-ctx.Done()
	case "eatbelow": // each has less than it may, all together have more
		for range 4 {
			cmd := exec.Command("sh", "-c", "x=$(head -c 60000000 /dev/zero | tr '\\0' a); sleep 600")
			if err := cmd.Start(); err != nil {
				return err
			}
		}
		<-ctx.Done()
	case "saves":
		var last error
		for i := range 200 {
			if err := c.host.SaveSecret(ctx, "token", fmt.Sprint(c.Token, "-", i)); err != nil {
				last = err
			}
		}
		return last
	case "savelarge":
		return c.host.SaveSecret(ctx, "token", string(fill(1<<20)))
	case "save":
		return c.host.SaveSecret(ctx, "token", c.Token+"-rotated")
	case "vendor":
		return sdk.RetryAfter(7*time.Second, "the vendor is busy").Because("BUSY")
	case "stray":
		return fmt.Errorf("the token is %s", c.Token)
	}
	return nil
}

func fill(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return b
}

// Discover tells what the process sees of its surroundings.
func (c *connection) Discover(ctx context.Context) ([]sdk.Stream, error) {
	switch c.Mode {
	case "eat", "flood", "floodlog", "floodstd", "stop", "panic":
		return nil, c.Check(ctx)
	case "large":
		return []sdk.Stream{{Name: string(fill(32 << 20))}}, nil
	case "huge":
		return []sdk.Stream{{Name: string(fill(2 << 30))}}, nil
	}
	var out []sdk.Stream
	for _, e := range os.Environ() {
		out = append(out, sdk.Stream{Name: e, Schema: json.RawMessage(`{}`)})
	}
	dir, _ := os.Getwd()
	files, _ := os.ReadDir(dir)
	out = append(out, sdk.Stream{Name: fmt.Sprintf("DIR %s %d", dir, len(files)), Schema: json.RawMessage(`{}`)})
	out = append(out, sdk.Stream{Name: fmt.Sprintf("PID %d", os.Getpid()), Schema: json.RawMessage(`{}`)})
	return out, nil
}

func (c *connection) Pull(ctx context.Context, from sdk.PullRequest, emit func(sdk.Page) error) error {
	for i := range 5 {
		sdk.ReportRate(ctx, sdk.RateHint{Limit: 10, Remaining: i})
		if err := emit(sdk.Page{Records: []sdk.Record{{ID: fmt.Sprint(i), Fields: map[string]any{"n": i}}}, Cursor: []byte{byte(i)}}); err != nil {
			return err
		}
		if c.Mode == "hang" && i == 2 {
			select {}
		}
		if c.Mode == "exit" && i == 2 {
			os.Exit(3)
		}
	}
	return nil
}

func (c *connection) Upsert(ctx context.Context, b sdk.Batch) ([]sdk.Result, error) {
	if c.Mode == "exit" {
		os.Exit(3)
	}
	out := make([]sdk.Result, len(b.Items))
	for i := range out {
		out[i] = sdk.Result{ID: version, Outcome: sdk.Created}
	}
	return out, nil
}

func (c *connection) Close() error { return nil }

func main() { sdk.Serve(connector{}) }
