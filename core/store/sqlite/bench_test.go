//go:build unix

package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	_ "modernc.org/sqlite" // the bare loop uses database/sql

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

// The load of the hot path: an event of about 350 bytes with two indexes, and the
// rewrite of a profile of about 1.2 KB. HEADWATER_BENCH_PROFILES says how many
// profiles are stored (default 20,000).

type benchEvent struct {
	store.Meta `bson:",inline"`
	Part       string    `bson:"part"`
	Name       string    `bson:"name"`
	At         time.Time `bson:"at"`
	Seq        int64     `bson:"seq"`
	Body       string    `bson:"body"`
}

type benchProfile struct {
	store.Meta `bson:",inline"`
	Seen       int64  `bson:"seen"`
	Body       string `bson:"body"`
}

var (
	benchEvents = store.Declare[benchEvent](store.Spec{Name: "events", Indexes: []store.Index{
		store.On("part", "-at").WithFewTies(), store.On("seq").WithFewTies()}})
	benchProfiles = store.Declare[benchProfile](store.Spec{Name: "profiles", Indexes: []store.Index{store.On("created")}})
)

const (
	benchWorkspace = "ws_0123456789"
	perBatch       = 100
)

func benchCount() int {
	if n, err := strconv.Atoi(os.Getenv("HEADWATER_BENCH_PROFILES")); err == nil {
		return n
	}
	return 20_000
}

var benchText = strings.Repeat("the quick brown fox jumps over the lazy dog. ", 30)

func eventDoc(i int64, profile int) *benchEvent {
	return &benchEvent{Meta: store.Meta{ID: store.Key(benchWorkspace, core.HashID("evt", strconv.FormatInt(i, 10)))},
		Part: profileID(profile), Name: "page", At: time.UnixMilli(1.8e12 + i).UTC(), Seq: i, Body: benchText[:140]}
}

func profileID(i int) string { return core.HashID("prof", strconv.Itoa(i)) }

func profileDoc(i int) *benchProfile {
	return &benchProfile{Meta: store.Meta{ID: store.Key(benchWorkspace, profileID(i))}, Body: benchText[:1100]}
}

func benchStore(b *testing.B) *sqlite.Store {
	s := open(b, filepath.Join(b.TempDir(), "hw.db"))
	require.NoError(b, s.Declare(b.Context(), benchEvents.Spec, benchProfiles.Spec))
	n := benchCount()
	for i := 0; i < n; i += 1000 {
		var ops []store.Op
		for j := i; j < min(n, i+1000); j++ {
			ops = append(ops, benchProfiles.Insert(profileDoc(j)))
		}
		_, err := s.Commit(b.Context(), store.Batch{ID: fmt.Sprint("load", i), Ops: ops})
		require.NoError(b, err)
	}
	return s
}

// BenchmarkCommit measures events per second through the engine: 8 writers, each
// with profiles of its own, batches of 100 events and 100 profiles.
func BenchmarkCommit(b *testing.B) {
	s := benchStore(b)
	const writers = 8
	n := benchCount()
	var next atomic.Int64
	cpu := cpuTime()
	b.ResetTimer()
	var wg sync.WaitGroup
	for g := range writers {
		wg.Go(func() {
			versions := map[int]int64{}
			rnd := rand.New(rand.NewPCG(uint64(g), 1))
			for {
				i := next.Add(perBatch) - perBatch
				if i >= int64(b.N) {
					return
				}
				ops := make([]store.Op, 0, 2*perBatch)
				touched := map[int]bool{}
				for j := i; j < i+perBatch; j++ {
					p := rnd.IntN(n/writers)*writers + g
					ops = append(ops, benchEvents.Insert(eventDoc(j, p)))
					if touched[p] {
						continue
					}
					touched[p] = true
					versions[p]++
					d := profileDoc(p)
					d.V, d.Seen = versions[p], j
					ops = append(ops, benchProfiles.Replace(d))
				}
				if _, err := s.Commit(context.Background(), store.Batch{ID: fmt.Sprint("b", i), Ops: ops}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	report(b, cpu)
}

// BenchmarkCommitBare is the loop that a careful programmer would write by hand for
// the same rows, indexes and durability: one transaction for 100 events.
func BenchmarkCommitBare(b *testing.B) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "bare.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(ON)&_pragma=cache_size(-65536)&_pragma=temp_store(MEMORY)&_txlock=immediate")
	require.NoError(b, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, q := range []string{
		"CREATE TABLE events (ws TEXT, id TEXT, v INTEGER, part TEXT, at INTEGER, seq INTEGER, doc BLOB)",
		"CREATE UNIQUE INDEX events_id ON events (ws, id)",
		"CREATE INDEX events_part ON events (ws, part, at DESC)",
		"CREATE INDEX events_seq ON events (ws, seq)",
		"CREATE TABLE profiles (ws TEXT, id TEXT, v INTEGER, doc BLOB)",
		"CREATE UNIQUE INDEX profiles_id ON profiles (ws, id)",
	} {
		_, err := db.Exec(q)
		require.NoError(b, err)
	}
	n := benchCount()
	tx, err := db.Begin()
	require.NoError(b, err)
	for i := range n {
		raw, _ := bson.Marshal(profileDoc(i))
		_, err := tx.Exec("INSERT INTO profiles VALUES (?, ?, 1, ?)", benchWorkspace, profileID(i), raw)
		require.NoError(b, err)
	}
	require.NoError(b, tx.Commit())
	ins, err := db.Prepare("INSERT INTO events VALUES (?, ?, 1, ?, ?, ?, ?)")
	require.NoError(b, err)
	upd, err := db.Prepare("UPDATE profiles SET v = v + 1, doc = ? WHERE ws = ? AND id = ?")
	require.NoError(b, err)
	rnd := rand.New(rand.NewPCG(1, 1))
	cpu := cpuTime()
	b.ResetTimer()
	for i := 0; i < b.N; i += perBatch {
		tx, err := db.Begin()
		require.NoError(b, err)
		tins, tupd := tx.Stmt(ins), tx.Stmt(upd)
		for j := i; j < i+perBatch; j++ {
			p := rnd.IntN(n)
			e := eventDoc(int64(j), p)
			raw, _ := bson.Marshal(e)
			_, err := tins.Exec(benchWorkspace, store.Rest(e.ID), e.Part, e.At.UnixMilli(), e.Seq, raw)
			require.NoError(b, err)
			d := profileDoc(p)
			d.Seen = int64(j)
			raw, _ = bson.Marshal(d)
			_, err = tupd.Exec(raw, benchWorkspace, profileID(p))
			require.NoError(b, err)
		}
		require.NoError(b, tx.Commit())
	}
	b.StopTimer()
	report(b, cpu)
}

// BenchmarkCommitSmall measures single inserts by 64 writers, who share fsyncs, and
// by one, who does not.
func BenchmarkCommitSmall(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "hw.db"))
			require.NoError(b, s.Declare(b.Context(), benchEvents.Spec))
			var next atomic.Int64
			b.ReportAllocs()
			cpu := cpuTime()
			b.ResetTimer()
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						op := benchEvents.Insert(eventDoc(i, int(i)))
						if _, err := s.Commit(context.Background(), store.Batch{ID: strconv.FormatInt(i, 10), Ops: []store.Op{op}}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			report(b, cpu)
		})
	}
}

// BenchmarkGet measures documents read by key, one and a hundred at a time.
func BenchmarkGet(b *testing.B) {
	s := benchStore(b)
	n := benchCount()
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprintf("keys=%d", size), func(b *testing.B) {
			rnd := rand.New(rand.NewPCG(1, 1))
			ids := make([]string, size)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += size {
				for j := range ids {
					ids[j] = store.Key(benchWorkspace, profileID(rnd.IntN(n)))
				}
				docs, err := s.Get(context.Background(), benchProfiles.Spec, ids)
				if err != nil || docs[0] == nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPage measures a page of 20 events of one part.
func BenchmarkPage(b *testing.B) {
	s := benchStore(b)
	for i := int64(0); i < 20000; i += 1000 {
		var ops []store.Op
		for j := i; j < i+1000; j++ {
			ops = append(ops, benchEvents.Insert(eventDoc(j, int(j%100))))
		}
		_, err := s.Commit(b.Context(), store.Batch{ID: fmt.Sprint("e", i), Ops: ops})
		require.NoError(b, err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		q := store.Query{Workspace: benchWorkspace, Where: []store.Cond{store.Eq("part", profileID(i%100))}}
		docs, err := benchEvents.Find(context.Background(), s, q, 20)
		if err != nil || len(docs) != 20 {
			b.Fatal(err, len(docs))
		}
	}
}

// report adds the rate, and the processor time of an event, which the neighbours
// of the benchmark disturb less.
func report(b *testing.B, before time.Duration) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/event")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
