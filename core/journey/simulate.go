package journey

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/predict/sendhour"
)

// People is where a simulation takes people from.
type People interface {
	// Each calls f with each of them, one after the other, and stops at its first error.
	// A person is not used any more once the simulation has gone on to report, and may be
	// looked at by another goroutine until then.
	Each(ctx context.Context, f func(*Person) error) error
}

// Person is somebody as a simulation sees them.
type Person struct {
	Profile string // prof_…
	// Events are the person's own, of all parts, by time: all that the conditions look
	// back on and those until the end of the simulation.
	Events []*event.Event
	// Facts returns what was known of the person at an instant, beside their events. Its
	// Ledgers are not asked. It is called by one goroutine.
	Facts func(at time.Time) condition.Facts
	// Inside are their live enrollments as the simulation begins.
	Inside []Standing
	// Visited is when they last entered without a key before that; zero: never, or not asked.
	Visited time.Time
}

// SimulateOptions say how. Times are those of the virtual clock.
type SimulateOptions struct {
	From, To time.Time // [From, To)
	Workers  int       // 0: one per processor
	Trails   []string  // prof_…: people whose histories are told
	// Segments are the conditions of segments, by id: those of entrances must be there, or
	// nobody enters by them; those that conditions name are looked up in the facts without.
	Segments map[string]*condition.Program
	// Reactions say what becomes of messages. Without, nobody opens anything.
	Reactions []Reaction
	// Hours is what is known of people's hours where no event of theirs has told yet; nil: nothing.
	Hours *sendhour.Advice
	// Refuse lets approvals be refused, else they are given: after an hour.
	Refuse bool
	// Versions are the programs of the versions that people are inside of, and the one that
	// is simulated among them, by number. Without, nobody is inside when it begins.
	Versions map[int64]*Program
	// Inside is what becomes of those inside other versions, as publishing has it: PIN (also
	// ""), DRAIN or MIGRATE by NodeMap. Leaves are numbers of versions that are drained anyway.
	Inside  string
	NodeMap map[string]*string
	Leaves  []int64
}

// Reaction supposes that of the messages sent so many reach a status, for example
// OPENED, after a time. Who does is a hash of the person and the message.
type Reaction struct {
	Status string // as in conditions about messages
	Share  int    // of 10,000
	After  time.Duration
}

// Simulation is what came of one.
type Simulation struct {
	People   int64 // looked at
	Reached  int64 // who entered at least once
	Inside   int64 // enrollments there when it began
	Entered  int64 // enrollments since
	Nodes    []NodeCount
	Sends    []DayCount                  // by node and day of the journey's time zone; sorted
	Ended    map[Status]int64            // enrollments by where they stood at the end, ACTIVE and WAITING among them
	Arms     map[string]map[string]int64 `bson:"-"` // names of nodes are no keys of a document
	Trails   []PersonTrail               `bson:"-"` // of those who were asked for, by profile
	Warnings []condition.Warning
}

// NodeCount counts enrollments at a node: Began were there when the simulation began.
type NodeCount struct {
	Version                      int64 // of those inside another version; 0: the one that is simulated
	Node                         string
	Began, Entered, Left, Inside int64
	Sent                         int64
	Stopped                      int64 // people who were followed no further here: see MaxPassed
}

// DayCount counts messages.
type DayCount struct {
	Node, Day string // 2006-01-02
	Sent      int64
}

// PersonTrail is what happened to one person.
type PersonTrail struct {
	Profile     string
	Enrollments []EnrollmentTrail
}

// EnrollmentTrail is what happened to one enrollment.
type EnrollmentTrail struct {
	Key    string
	Began  time.Time
	Status Status
	Node   string
	Trail  []Passage
}

// Sent is a message of a simulation.
type Sent struct {
	Node, Template, Channel string
	At                      time.Time
}

// The reasons of a simulation's warnings.
const (
	WarnNobody       = "NOBODY_COMES_HERE"
	WarnNotSimulated = "NOT_SIMULATED"
	WarnEndless      = "ENDLESS"
)

// Simulate runs people's pasts through a version under a virtual clock, without any
// effect: their events are replayed, whoever meets an entrance enters, waits pass
// without waiting. Each condition is asked as of its virtual instant, over ledgers
// folded from the events up to then. The same people give the same result.
func Simulate(ctx context.Context, p *Program, people People, o SimulateOptions) (*Simulation, error) {
	c, err := newCourse(p, nil, &o)
	if err != nil {
		return nil, err
	}
	total := c.fresh()
	if err := c.run(ctx, people, total); err != nil {
		return nil, err
	}
	return total.before.result(), nil
}

// pool hands people to workers, each with a state of its own, and gives the states
// to done in the end.
func pool[S any](ctx context.Context, people People, workers int, fresh func() S, work func(S, *Person), done func(S)) error {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan *Person, 4*workers)
	states := make([]S, workers)
	var wait sync.WaitGroup
	for i := range states {
		states[i] = fresh()
		wait.Go(func() {
			for person := range queue {
				work(states[i], person)
			}
		})
	}
	err := people.Each(ctx, func(person *Person) error {
		select {
		case queue <- person:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	close(queue)
	wait.Wait()
	for _, s := range states {
		done(s)
	}
	return err
}
