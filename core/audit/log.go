package audit

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit/journal"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Keys gives pseudonyms and signs; *keyring.Ring implements it.
type Keys interface {
	Pseudonymise(ctx context.Context, ws string) (func(kind, value string) string, error)
	Signer(ctx context.Context, ws, name string) (note.Signer, error)
	VerifierKeys(ctx context.Context, ws, name string) ([]keyring.VerifierKey, error)
	Signers(ctx context.Context, ws, name string) ([]note.Signer, error)
	Rotate(ctx context.Context, ws, name string, with func(keyring.VerifierKey) ([]store.Op, error)) (keyring.VerifierKey, error)
}

// keyName is the name of the signing keys of the log in the keyring.
const keyName = "audit"

// Options make a Log. Store is required; Keys too, but where entries name no people and
// are only written.
type Options struct {
	Store store.Store
	// Journal is where the entries of those who read wait until they are put into the
	// log; Store when it is nil. In files of its own they wait for no writer but
	// themselves. Entries that go with a change are in the batch of that change, in Store.
	Journal *journal.Journal
	Keys    Keys
	Clock   core.Clock // core.SystemClock
	Logger  *slog.Logger
	// Runner runs the sequencers. Nil where entries are only written: another process
	// puts them in order.
	Runner *work.Runner
	// Workspaces lists all workspaces, for what waits there since a process died. What
	// waits of others is dropped. Nil: nobody looks, and nothing is dropped.
	Workspaces func(ctx context.Context) ([]string, error)
	// Resolve returns the profile ids that an identifier has or had, so that entries of
	// the person are found by it. Nil: only what was asked for by the identifier itself.
	Resolve func(ctx context.Context, ws string, s Subject) ([]string, error)
	// Normal returns the form under which an identifier is known, and false for what is
	// none of its namespace: entries are found by whatever form somebody asks with. Nil:
	// capital letters and spaces around it make no difference, and that is all.
	Normal func(ctx context.Context, ws string, s Subject) (Subject, bool, error)
	// Lease is how long a sequencer that died keeps others waiting; 10 s.
	Lease time.Duration
	// Gather is how long the sequencer lets entries come together; 200 ms.
	Gather time.Duration
	// Linger is how long a sequencer without work keeps its lease; 2 s.
	Linger time.Duration
}

// Log is the audit log of all workspaces of a store. It is safe for concurrent use.
type Log struct {
	o     Options
	group group
	seq   sequencers

	mu     sync.RWMutex
	pseudo map[string]func(kind, value string) string // by workspace; they never change
}

// New makes a log, and registers its sequencer with the runner.
func New(o Options) *Log {
	if o.Clock == nil {
		o.Clock = core.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Lease == 0 {
		o.Lease = 10 * time.Second
	}
	if o.Gather == 0 {
		o.Gather = 200 * time.Millisecond
	}
	if o.Linger == 0 {
		o.Linger = 2 * time.Second
	}
	l := &Log{o: o, pseudo: map[string]func(kind, value string) string{}}
	l.group.commit = l.commitGroup
	l.seq = sequencers{running: map[string]bool{}, wanted: map[string]bool{}, signal: make(chan struct{}, 1)}
	if o.Runner != nil {
		o.Runner.Handle(taskKind, work.Kind{
			Handler: work.HandlerFunc(l.handle), Concurrency: 64, Lease: o.Lease, Attempts: -1,
			Backoff: work.Backoff{Base: 250 * time.Millisecond, Max: 5 * time.Second},
		})
	}
	return l
}

// SetResolve sets Options.Resolve, which the packages above this one have.
func (l *Log) SetResolve(f func(ctx context.Context, ws string, s Subject) ([]string, error)) {
	l.o.Resolve = f
}

// pseudonyms returns the function that makes a workspace's pseudonyms.
func (l *Log) pseudonyms(ctx context.Context, ws string) (func(kind, value string) string, error) {
	l.mu.RLock()
	f, ok := l.pseudo[ws]
	l.mu.RUnlock()
	if ok {
		return f, nil
	}
	// Not as the actor: it is no read of theirs.
	f, err := l.o.Keys.Pseudonymise(core.WithActor(ctx, nil), ws)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.pseudo[ws] = f
	l.mu.Unlock()
	return f, nil
}

// Write writes an entry. It is durable when Write returns; without one the error is
// UNAVAILABLE (AUDIT_UNAVAILABLE).
func (l *Log) Write(ctx context.Context, e Entry) error {
	if err := e.fill(ctx, l.o.Clock.Now()); err != nil {
		return err
	}
	it, err := l.encode(ctx, &e, nil)
	if err != nil {
		return unavailable(err)
	}
	if err := l.ahead(ctx, &e, &it); err != nil {
		return unavailable(err)
	}
	return unavailable(l.group.write(ctx, e.Workspace, it))
}

// ahead stores the set of an entry before it, where it is too large for a batch that
// others share.
func (l *Log) ahead(ctx context.Context, e *Entry, it *item) error {
	if it.size()-len(it.Body) < pendingBytes {
		return nil
	}
	var ops []store.Op
	size := 0
	for i, data := range it.Sets {
		ops, size = append(ops, l.setOp(e.Workspace, e.ID, i, data)), size+len(data)
		if size < pendingBytes && i+1 < len(it.Sets) {
			continue
		}
		if err := work.Commit(ctx, l.o.Store, ops...); err != nil {
			return err
		}
		ops, size = nil, 0
	}
	it.Sets = nil
	return nil
}

// WriteAll is Write for many entries; when it fails, some of them may be in the log.
func (l *Log) WriteAll(ctx context.Context, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	w, size := newWrite(), 0
	now := l.o.Clock.Now()
	for i := range entries {
		e := &entries[i]
		if err := e.fill(ctx, now); err != nil {
			return err
		}
		it, err := l.encode(ctx, e, nil)
		if err != nil {
			return unavailable(err)
		}
		if err := l.ahead(ctx, e, &it); err != nil {
			return unavailable(err)
		}
		w.items = append(w.items, owned{e.Workspace, it})
		if size += it.size(); size >= groupBytes && i+1 < len(entries) {
			if err := l.group.join(ctx, w); err != nil {
				return unavailable(err)
			}
			w, size = newWrite(), 0
		}
	}
	return unavailable(l.group.join(ctx, w))
}

// maxOpSubjects is how many subjects the entry of a change may have: they are part of
// the batch of the change.
const maxOpSubjects = 100_000

// Op returns the operation that writes an entry in the batch of the change that it
// tells of: either both happen or neither.
func (l *Log) Op(ctx context.Context, e Entry) (store.Op, error) {
	if err := e.fill(ctx, l.o.Clock.Now()); err != nil {
		return store.Op{}, err
	}
	if len(e.Subjects) > maxOpSubjects {
		return store.Op{}, core.Errorf(core.Invalid, "AUDIT_ENTRY", "an entry in the batch of a change may have %d subjects; cut the change into parts", maxOpSubjects)
	}
	it, err := l.encode(ctx, &e, nil)
	if err != nil {
		return store.Op{}, unavailable(err)
	}
	return l.pendingOp(e.Workspace, []item{it}), nil
}

// asked returns the pseudonyms of the identifiers that were asked for.
func (l *Log) asked(ctx context.Context, ws string, list []Subject, psn func(kind, value string) string) ([]string, error) {
	var out []string
	for _, s := range list[:min(len(list), maxAsked)] {
		p, err := l.identifier(ctx, ws, s, psn)
		if err != nil {
			return nil, err
		}
		once(&out, p)
	}
	return out, nil
}

// identifier returns the pseudonym of an identifier, whose form makes no difference: who
// asks later need not write it as it was written then.
func (l *Log) identifier(ctx context.Context, ws string, s Subject, psn func(kind, value string) string) (string, error) {
	if l.o.Normal != nil {
		// Not as the actor: it is no read of theirs.
		n, ok, err := l.o.Normal(core.WithActor(ctx, nil), ws, s)
		if err != nil {
			return "", err
		}
		if ok {
			s = n
		}
	}
	return s.pseudonym(psn), nil
}

// encode makes an entry what is stored of it. sets are the hashes of chunks that are
// stored already; then the entry's subjects are in them.
func (l *Log) encode(ctx context.Context, e *Entry, stored []string) (item, error) {
	var psn func(kind, value string) string
	if len(e.Subjects)+len(e.Identifiers) > 0 {
		var err error
		if psn, err = l.pseudonyms(ctx, e.Workspace); err != nil {
			return item{}, err
		}
	}
	e.SubjectCount = max(e.SubjectCount, len(e.Subjects))
	var it item
	hashes := stored
	subjects := make([]string, len(e.Subjects))
	for i, id := range e.Subjects {
		subjects[i] = psn(KindProfile, id)
	}
	if len(subjects) > maxInline {
		for from := 0; from < len(subjects); from += chunkSize {
			data := chunk(subjects[from:min(from+chunkSize, len(subjects))])
			it.Sets, hashes = append(it.Sets, data), append(hashes, chunkHash(data))
		}
		subjects = nil
	}
	asked, err := l.asked(ctx, e.Workspace, e.Identifiers, psn)
	if err != nil {
		return item{}, err
	}
	it.Body = appendBody(make([]byte, 0, 512), e, subjects, hashes, asked)
	return it, nil
}
