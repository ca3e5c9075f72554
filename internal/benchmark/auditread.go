package benchmark

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/graph"
	"github.com/headwater-cdp/headwater/graph/engine"
)

// silent is a trail that writes nothing: it exists to know what writing costs, and
// nowhere but here.
type silent struct{}

func (silent) Saw(context.Context, audit.Seen) error { return nil }
func (silent) Asked(string, string)                  {}
func (silent) Select([]string)                       {}
func (silent) Force()                                {}
func (silent) Intend(context.Context) error          { return nil }
func (silent) Close(context.Context, error) error    { return nil }

// readers is how many clients read at once.
const readers = 64

// readingBeside compares the throughput of reads with the audit log and without one, by
// turns, over the same services.
func readingBeside(ctx context.Context, o Options, h *house, s graph.Services) error {
	z := o.size()
	with, err := serving(graph.Options{Services: s}, h.keys)
	if err != nil {
		return err
	}
	without, err := serving(graph.Options{Services: s, Trails: func(ctx context.Context, _, _ string) (context.Context, engine.Trail) {
		return audit.WithWitness(ctx, silent{}), silent{}
	}}, h.keys)
	if err != nil {
		return errors.Join(err, with.Stop())
	}
	rounds := 5
	var on, off reading
	for round := range rounds + 1 {
		for turn := range 2 {
			server, sum := with, &on
			if (turn+round)%2 == 1 {
				server, sum = without, &off
			}
			before := ownCPU()
			n, took, rerr := readAll(ctx, server, h.people, z.turn)
			if err = errors.Join(err, rerr); err != nil {
				break
			}
			// What the log has still to put in order is not the next one's to bear.
			err = s.Audit.Settle(ctx, h.keys.Workspace)
			if round > 0 { // the first fills the caches
				sum.add(n, took, ownCPU()-before)
			}
		}
	}
	if err = errors.Join(err, with.Stop(), without.Stop()); err != nil {
		return fmt.Errorf("reads beside the audit log: %w", err)
	}
	if err := o.Report.Add(Line{Bench: "audit.read.off", Value: off.rate(), Unit: "reads/s", Against: fmt.Sprintf("%d clients, a log that writes nothing", readers)}); err != nil {
		return err
	}
	l := Line{Bench: "audit.read.on", Value: on.rate(), Unit: "reads/s"}.beside("audit.read.off", off.rate())
	met := on.rate() >= 0.85*off.rate()
	l.Target, l.Met = "ratio >= 0.85", &met
	if err := o.Report.Add(l); err != nil || on.cpu == 0 {
		return err
	}
	// Beside a machine's other work the clock says little, and this most of it.
	return o.Report.Add(Line{Bench: "audit.read.cpu", Value: on.each() - off.each(), Unit: "µs of processor"}.beside("a read of its client and its server without an entry", off.each()))
}

// reading sums turns of reads.
type reading struct {
	n         int64
	took, cpu time.Duration
}

func (r *reading) add(n int64, took, cpu time.Duration) {
	r.n, r.took, r.cpu = r.n+n, r.took+took, r.cpu+cpu
}

// rate is how many reads there were a second.
func (r *reading) rate() float64 { return float64(r.n) / r.took.Seconds() }

// each is what a read cost, in microseconds of processor time.
func (r *reading) each() float64 { return float64(r.cpu.Microseconds()) / float64(r.n) }

// ownCPU returns the processor time of this process, 0 where it is not told.
func ownCPU() time.Duration {
	used, err := (&Server{PID: os.Getpid()}).CPU()
	if err != nil {
		return 0
	}
	return used
}

// serving serves the API on a port of its own.
func serving(opt graph.Options, keys Keys) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := graph.New(opt)
	mux := http.NewServeMux()
	mux.Handle("/graphql", g.Handler())
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- web.Serve(l) }()
	return &Server{Keys: keys, URL: "http://" + l.Addr().String(), Stop: func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := errors.Join(g.Close(ctx), web.Shutdown(ctx))
		if ended := <-done; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
		return err
	}}, nil
}

// readAll reads profiles with all clients, each its next when the last was answered, and
// returns how many and how long that took.
func readAll(ctx context.Context, s *Server, people int, d time.Duration) (int64, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, d+30*time.Second)
	defer cancel()
	var n atomic.Int64
	errs := make(chan error, readers)
	var wg sync.WaitGroup
	g := newGraphQL(s)
	start := time.Now()
	for range readers {
		wg.Go(func() {
			for time.Since(start) < d {
				var out struct{ Profile *struct{ ID string } }
				if err := g.query(ctx, &out, profileQuery, map[string]any{"value": UserID(rand.IntN(people))}); err != nil {
					errs <- err
					cancel()
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	close(errs)
	return n.Load(), took, <-errs
}
