package benchmark

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/graph"
)

// Options say what to measure.
type Options struct {
	Binary string // of headwater: servers are processes of their own
	Dir    string // for the stores; must exist, with a few GB of room
	// Open opens the embedded store in a folder as the server would, its
	// collections declared.
	Open func(ctx context.Context, dir string) (store.Store, error)
	// Groups returns how many transactions such a store has committed: several units
	// that come at once share one.
	Groups func(store.Store) int64
	// Wire runs do with the server's services over the store in a folder, in this
	// process, and the background work that belongs to them. Connections lead to host;
	// nil: to nowhere.
	Wire func(ctx context.Context, dir string, host sync.Host, do func(context.Context, graph.Services) error) error
	// Vendors makes emulators and installs the connectors to them in a folder.
	Vendors func(ctx context.Context, dir string) (*Vendors, error)
	Report  *Report
	Quick   bool     // a look at whether everything runs, in some seconds; the numbers say little
	Only    []string // names of parts; none: all
}

// size is how much the parts do.
type size struct {
	people int           // of the ordinary store
	few    int           // people of the small store
	large  int           // people of the large store
	run    time.Duration // of each load
	events int           // of each of the two profiles to be parted

	segments []int         // of the table: how many that the stream does not touch
	live     int           // segments beside which ingestion is compared with none
	turn     time.Duration // of each of the rounds by turns
	entries  int           // of the audit log that is verified
	expire   time.Duration // over which the memberships of everybody end

	inside  int // enrollments that fall due in the same second
	rounds  int // of such seconds
	waiting int // enrollments that wait while the memory is looked at
	sendout int // people of a campaign

	counted int // events that figures are made of
	ways    int // of the Markov model
}

func (o Options) size() size {
	if o.Quick {
		return size{
			people: 2000, few: 500, large: 4000, run: time.Second, events: 500,
			segments: []int{0, 10, 100}, live: 100, turn: 300 * time.Millisecond, entries: 20_000, expire: 2 * time.Second,
			inside: 500, rounds: 2, waiting: 5000, sendout: 1000, counted: 20_000, ways: 10_000,
		}
	}
	return size{
		people: 100_000, few: 10_000, large: 1_000_000, run: 10 * time.Second, events: 10_000,
		segments: []int{0, 10, 100, 1000, 10_000}, live: 1000, turn: 2 * time.Second, entries: 1_000_000, expire: 2 * time.Minute,
		inside: 10_000, rounds: 3, waiting: 1_000_000, sendout: 100_000, counted: 1_000_000, ways: 100_000,
	}
}

// parts are the names that Only may hold; the first five share the ordinary store.
var parts = []string{"ingest", "read", "unmerge", "consent", "hostile", "scale", "segments", "audit", "access", "connectors", "journeys", "predict", "figures"}

// Known reports whether there is a part with the name.
func Known(part string) bool { return slices.Contains(parts, part) }

func (o Options) wants(part string) bool { return len(o.Only) == 0 || slices.Contains(o.Only, part) }

// Run measures everything that the options ask for, and returns the first fault;
// a promise that is not kept is no fault.
func Run(ctx context.Context, o Options) error {
	if slices.ContainsFunc(parts[:5], o.wants) {
		if err := ordinary(ctx, o); err != nil {
			return err
		}
	}
	var large *house // made once for all that need it
	var err error
	if o.wants("scale") {
		if large, err = scale(ctx, o); err != nil {
			return err
		}
	}
	if o.wants("segments") {
		if err := segments(ctx, o, large); err != nil {
			return err
		}
	}
	if o.wants("audit") || o.wants("access") {
		if err := governed(ctx, o); err != nil {
			return err
		}
	}
	if o.wants("connectors") {
		if err := connectors(ctx, o); err != nil {
			return err
		}
	}
	if o.wants("journeys") {
		if err := journeys(ctx, o); err != nil {
			return err
		}
	}
	if o.wants("predict") {
		if err := predictions(ctx, o); err != nil {
			return err
		}
	}
	if o.wants("figures") {
		return figures(ctx, o)
	}
	return nil
}

// ordinary measures what needs a store of 100,000 people.
func ordinary(ctx context.Context, o Options) (err error) {
	z := o.size()
	h, err := prepare(ctx, o, "ordinary", z.people)
	if err != nil {
		return err
	}
	if o.wants("ingest") {
		if err := direct(ctx, o, h); err != nil {
			return err
		}
	}
	s, err := start(ctx, o.Binary, h.dir, h.keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	if o.wants("ingest") {
		if err := overHTTP(ctx, o, h, s); err != nil {
			return err
		}
	}
	if o.wants("read") {
		l := ReadLoad{People: z.people, Rate: 200, Ingest: 1000, For: z.run}
		if err := Read(ctx, o.Report, s, l); err != nil {
			return err
		}
	}
	if o.wants("unmerge") {
		if err := Unmerge(ctx, o.Report, s, z.events); err != nil {
			return err
		}
	}
	if o.wants("consent") {
		l := ReadLoad{People: z.people, Rate: 20, Ingest: 1000, For: z.run}
		if err := Withdraw(ctx, o.Report, s, l); err != nil {
			return err
		}
	}
	if o.wants("hostile") {
		return Hostile(ctx, o.Report, s)
	}
	return nil
}

// house is a folder with a store and a workspace.
type house struct {
	dir    string
	people int
	keys   Keys
	shape  Shape    // what the direct run wrote
	ids    []string // of the profiles of its people; nil where nobody asks for them
}

// prepare makes a folder with a workspace of so many people.
func prepare(ctx context.Context, o Options, name string, people int) (*house, error) {
	return prepareLives(ctx, o, name, people, identified)
}

// prepareLives is prepare with people to whom more has happened.
func prepareLives(ctx context.Context, o Options, name string, people int, life Life) (*house, error) {
	h := &house{dir: filepath.Join(o.Dir, name)}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if h.keys, err = create(ctx, o.Binary, h.dir); err != nil {
		return nil, err
	}
	return h, h.fill(ctx, o, people, life)
}

// fill stores so many people.
func (h *house) fill(ctx context.Context, o Options, people int, life Life) error {
	began := time.Now()
	err := h.open(ctx, o, func(b Base) (err error) {
		h.ids, err = SeedLives(ctx, b, 0, people, life)
		return err
	})
	if err != nil {
		return err
	}
	h.people = people
	rate := float64(people) / time.Since(began).Seconds()
	return o.Report.Add(Line{Bench: "seed", Value: rate, Unit: "people/s", Against: fmt.Sprintf("%d people stored, %d events each", people, len(life(0)))})
}

// copy makes a house with the same store. Nobody may have the store open.
func (h *house) copy(o Options, name string) (*house, error) {
	c := *h
	c.dir = filepath.Join(o.Dir, name)
	return &c, os.CopyFS(c.dir, os.DirFS(h.dir))
}

// open opens the store in this process for the time of f.
func (h *house) open(ctx context.Context, o Options, f func(Base) error) (err error) {
	s, err := o.Open(ctx, h.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(ctx))) }()
	clock := core.SystemClock{}
	b := Base{Store: s, Events: event.NewService(s, clock), Profiles: profile.NewService(s, clock), Workspace: h.keys.Workspace}
	src, err := b.Events.EnsureSource(ctx, b.Workspace, event.SourceInput{Name: "Bench", Kind: event.SourceSystem})
	if err != nil {
		return err
	}
	b.Source = src.SourceID()
	return f(b)
}
