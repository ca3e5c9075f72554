package benchmark

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
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
	var on, off float64
	for round := range rounds + 1 {
		for turn := range 2 {
			server, sum := with, &on
			if (turn+round)%2 == 1 {
				server, sum = without, &off
			}
			rate, rerr := readAll(ctx, server, h.people, z.turn)
			if err = errors.Join(err, rerr); err != nil {
				break
			}
			if round > 0 { // the first fills the caches
				*sum += rate / float64(rounds)
			}
			// What the log has still to put in order is not the next one's to bear.
			err = s.Audit.Settle(ctx, h.keys.Workspace)
		}
	}
	if err = errors.Join(err, with.Stop(), without.Stop()); err != nil {
		return fmt.Errorf("reads beside the audit log: %w", err)
	}
	if err := o.Report.Add(Line{Bench: "audit.read.off", Value: off, Unit: "reads/s", Against: fmt.Sprintf("%d clients, a log that writes nothing", readers)}); err != nil {
		return err
	}
	l := Line{Bench: "audit.read.on", Value: on, Unit: "reads/s"}.beside("audit.read.off", off)
	met := on >= 0.85*off
	l.Target, l.Met = "ratio >= 0.85", &met
	return o.Report.Add(l)
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
// returns how many a second.
func readAll(ctx context.Context, s *Server, people int, d time.Duration) (float64, error) {
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
	took := time.Since(start).Seconds()
	close(errs)
	return float64(n.Load()) / took, <-errs
}
