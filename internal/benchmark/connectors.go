package benchmark

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	stdsync "sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/graph"
	"github.com/headwater-cdp/headwater/graph/httpd"
	"github.com/headwater-cdp/headwater/internal/pluginhost"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// misdeeds are what a connector does while others work.
var misdeeds = []string{"panic", "hang", "stop", "flood", "eat", "2gib"}

// connectors measures what a call to a connector costs, and what everybody else notices of
// one that misbehaves. The host runs in the process of the server, as it does in life.
func connectors(ctx context.Context, o Options) error {
	h, err := prepare(ctx, o, "connectors", o.size().few)
	if err != nil {
		return err
	}
	installed, err := connectorStore(filepath.Join(h.dir, "connectors"), o.Binary)
	if err != nil {
		return fmt.Errorf("connectors: %w", err)
	}
	if err := orphans(ctx, o, installed.Dir()); err != nil {
		return fmt.Errorf("connectors: orphans: %w", err)
	}
	if err := throughput(ctx, o, h); err != nil {
		return fmt.Errorf("connectors: %w", err)
	}
	return o.Wire(ctx, h.dir, nil, func(ctx context.Context, s graph.Services) (err error) {
		server, err := wholeServer(s, h.keys)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		host := pluginhost.New(pluginhost.Options{Store: installed, Clock: s.Clock})
		defer func() {
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			host.Close(end)
		}()
		if err := callCost(ctx, o, host); err != nil {
			return fmt.Errorf("connectors: calls: %w", err)
		}
		if err := isolation(ctx, o, server, host, h.people); err != nil {
			return fmt.Errorf("connectors: isolation: %w", err)
		}
		return nil
	})
}

// callCost compares a call of a connector with the same call within one process.
func callCost(ctx context.Context, o Options, host *pluginhost.Host) error {
	i, err := dialActor(ctx, host, "bench/calls", "")
	if err != nil {
		return err
	}
	const n = 5000
	batch := sync.Batch{Stream: "contacts", Items: []sync.Item{{Key: "1", Match: "email", Fields: map[string]any{"email": "a@example.com", "name": "A"}}}}
	took := make([]time.Duration, 0, n)
	for k := range n + 200 { // the first ones warm up
		began := time.Now()
		if _, err := i.Upsert(ctx, batch); err != nil {
			return err
		}
		if k >= 200 {
			took = append(took, time.Since(began))
		}
	}
	near := make([]time.Duration, 0, n)
	direct := &acting{}
	same := sdk.Batch{Stream: batch.Stream, Items: []sdk.Item{sdk.Item(batch.Items[0])}}
	for range n {
		began := time.Now()
		if _, err := direct.Upsert(ctx, same); err != nil {
			return err
		}
		near = append(near, time.Since(began))
	}
	micros := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	over := micros(percentile(took, 50) - percentile(near, 50))
	against := fmt.Sprintf("over a direct call, %d calls one after the other, one record each", n)
	if err := o.Report.Add(Line{Bench: "connector.call.p50", Value: over, Unit: "us", Against: against}.atMost("<= 300", 300)); err != nil {
		return err
	}
	return o.Report.Add(Line{Bench: "connector.call.p99", Value: micros(percentile(took, 99)), Unit: "us", Against: against})
}

// isolation loads the server while a connector misbehaves, again and again, and compares
// with the same load while none does.
func isolation(ctx context.Context, o Options, s *Server, host *pluginhost.Host, people int) error {
	for range 2 { // the first one warms up
		if _, err := quietly(ctx, o, s, people); err != nil {
			return err
		}
	}
	quiet, err := quietly(ctx, o, s, people)
	if err != nil {
		return err
	}
	var slowest time.Duration
	worst := ""
	for _, mode := range misdeeds {
		with, cancel := context.WithCancel(ctx)
		var wg stdsync.WaitGroup
		var gone time.Duration
		var times int
		var badErr error
		wg.Go(func() { gone, times, badErr = misbehave(ctx, with, host, mode) })
		beside, err := quietly(ctx, o, s, people)
		cancel()
		wg.Wait()
		if err := errors.Join(err, badErr); err != nil {
			return fmt.Errorf("%s: %w", mode, err)
		}
		if gone > slowest {
			slowest, worst = gone, mode
		}
		// By turns with quiet, so that what the machine does meanwhile counts for both.
		again, err := quietly(ctx, o, s, people)
		if err != nil {
			return err
		}
		if err := compare(o, mode, times, beside, loadTimes{append(quiet.reads, again.reads...), append(quiet.writes, again.writes...)}); err != nil {
			return err
		}
		quiet = again
	}
	return o.Report.Add(Line{Bench: "connector.gone.slowest", Value: slowest.Seconds(), Unit: "s", Against: "after its misdeed began: " + worst}.atMost("<= 5", 5))
}

func compare(o Options, mode string, times int, beside, quiet loadTimes) error {
	for _, l := range []struct {
		what         string
		noisy, still []time.Duration
	}{{"read", beside.reads, quiet.reads}, {"ingest", beside.writes, quiet.writes}} {
		p99 := millis(percentile(l.still, 99))
		line := Line{Bench: "connector." + mode + "." + l.what + ".p99", Value: millis(percentile(l.noisy, 99)), Unit: "ms"}.
			beside(fmt.Sprintf("%.3g ms while no connector misbehaves (%d times meanwhile)", p99, times), p99)
		met := line.Ratio != nil && *line.Ratio <= 2
		line.Target, line.Met = "ratio <= 2", &met
		if err := o.Report.Add(line); err != nil {
			return err
		}
	}
	return nil
}

// loadTimes are how long the requests of a load took.
type loadTimes struct{ reads, writes []time.Duration }

// quietly loads the server with reads and batches of events, both in an open loop.
func quietly(ctx context.Context, o Options, s *Server, people int) (t loadTimes, err error) {
	const reads, batches, batch = 100, 20, 50
	g := newGraphQL(s)
	send := HTTP(s.URL, s.WriteKey)
	stream := NewStream(Uniform, people, fmt.Sprint("quiet", rand.Int64()))
	var mu stdsync.Mutex
	var wg stdsync.WaitGroup
	var writeErr error
	run := o.size().run
	wg.Go(func() {
		t.writes, writeErr = openLoop(ctx, batches, run, func(ctx context.Context, _ int) error {
			mu.Lock()
			body := bytes.Clone(stream.Batch(batch)) // the next one is written over it
			mu.Unlock()
			return send(ctx, body, batch)
		})
	})
	t.reads, err = openLoop(ctx, reads, run, func(ctx context.Context, _ int) error {
		var out struct{ Profile *struct{ ID string } }
		return g.query(ctx, &out, profileQuery, map[string]any{"value": UserID(rand.IntN(people))})
	})
	wg.Wait()
	return t, errors.Join(err, writeErr)
}

// misbehave has a connector do its misdeed until until ends, once at least, and returns how
// long the slowest process was there after it began.
func misbehave(ctx, until context.Context, host *pluginhost.Host, mode string) (slowest time.Duration, times int, err error) {
	key := "bench/" + mode
	defer host.Drop(key)
	for until.Err() == nil || times == 0 {
		i, err := dialActor(ctx, host, key, mode)
		pid := 0
		if err == nil {
			pid, err = actorPID(ctx, i) // the last one may have gone before the host knows
		}
		if wait := retryAfter(err); wait > 0 {
			select {
			case <-time.After(wait):
			case <-until.Done():
				if times > 0 {
					return slowest, times, nil
				}
			}
			continue
		}
		if err != nil {
			return 0, times, err
		}
		began := time.Now()
		call, cancel := context.WithTimeout(ctx, time.Second)
		go func() {
			defer cancel()
			if mode == "2gib" {
				_ = i.Pull(ctx, sync.PullRequest{Stream: "x"}, func(sync.Page) error { return nil }) // its fault is what is wanted
				return
			}
			_ = i.Check(call)
		}()
		for processRuns(pid) {
			if time.Since(began) > 30*time.Second {
				cancel()
				return 0, times, errors.New("its process is still there after half a minute")
			}
			time.Sleep(5 * time.Millisecond)
		}
		slowest, times = max(slowest, time.Since(began)), times+1
	}
	return slowest, times, nil
}

// retryAfter is how long a connection wants to be left alone; 0 when that is not it.
func retryAfter(err error) time.Duration {
	var f *sync.Fault
	if errors.As(err, &f) && (f.Kind == sync.FaultCrashed || f.Kind == sync.FaultCrashLoop) {
		return max(f.After, time.Millisecond)
	}
	return 0
}

// orphans kills a host with SIGKILL, one of its connectors stopped, and waits for them to go.
func orphans(ctx context.Context, o Options, dir string) error {
	cmd := exec.CommandContext(ctx, o.Binary)
	cmd.Args = []string{victimName}
	cmd.Env = append(os.Environ(), victimDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	var pids []int
	if err := json.NewDecoder(io.LimitReader(out, 1<<10)).Decode(&pids); err != nil {
		_ = cmd.Process.Kill()
		return errors.Join(fmt.Errorf("start the host: %w", err), cmd.Wait())
	}
	stopProcess(pids[0])
	began := time.Now()
	if err := cmd.Process.Kill(); err != nil {
		return err
	}
	_ = cmd.Wait() // it was killed
	for _, pid := range pids {
		for processRuns(pid) && time.Since(began) < 30*time.Second {
			time.Sleep(time.Millisecond)
		}
	}
	against := fmt.Sprintf("%d processes after their host was killed, one of them stopped", len(pids))
	return o.Report.Add(Line{Bench: "connector.orphans.gone", Value: time.Since(began).Seconds(), Unit: "s", Against: against}.atMost("<= 2", 2))
}

// wholeServer serves everything on a port of its own, in this process.
func wholeServer(s graph.Services, keys Keys) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	g := graph.New(graph.Options{Services: s, Logger: log})
	web := httpd.New(httpd.Options{
		Access: s.Access, Audit: s.Audit, Events: s.Ingest, Segments: s.Segments, Consent: s.Consent, GraphQL: g.Handler(), Clock: core.SystemClock{}, Logger: log,
		Ready: func(context.Context) error { return nil },
	})
	done := make(chan error, 1)
	go func() { done <- web.Serve(l) }()
	return &Server{Keys: keys, URL: "http://" + l.Addr().String(), Stop: func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return errors.Join(g.Close(ctx), web.Shutdown(ctx), <-done)
	}}, nil
}
