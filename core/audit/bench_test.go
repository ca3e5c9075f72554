package audit_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/internal/auditverify"
)

// BenchmarkTrail is what an answer costs: a trail with one person, closed durably, 64
// at once. The allocations are per entry.
func BenchmarkTrail(b *testing.B) {
	p := newLog(b, openStore(b, filepath.Join(b.TempDir(), "a.db")))
	ctx := core.WithRequestID(core.WithActor(b.Context(), &core.Actor{Workspace: ws, ID: "key_1", Purpose: "support"}), "req_1")
	fields := []string{"Profile.identifiers", "Profile.traits"}
	b.ReportAllocs()
	defer processor(b)()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ctx, trail := p.Begin(ctx, "query.profile", "Profile")
			trail.Select(fields)
			if err := audit.Note(ctx, audit.Seen{Profiles: []string{"prof_1"}}); err != nil {
				b.Error(err)
			}
			if err := trail.Close(ctx, nil); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkSequence is what the sequencer does with an entry: of a read of a profile by an
// identifier, which nobody has read before.
func BenchmarkSequence(b *testing.B) {
	p := newLog(b, openStore(b, filepath.Join(b.TempDir(), "a.db")))
	ctx := core.WithActor(b.Context(), &core.Actor{Workspace: ws, ID: "key_1"})
	for from := 0; from < b.N; from += 2000 {
		entries := make([]audit.Entry, min(2000, b.N-from))
		for i := range entries {
			entries[i] = audit.Entry{
				Action: "query.profile", Resource: "Profile", RequestID: core.NewID(core.PrefixRequest, time.Now()), Fields: []string{"Profile.identifiers", "Profile.traits"},
				Subjects: []string{fmt.Sprintf("prof_%026d", from+i)}, Identifiers: []audit.Subject{{Namespace: "userId", Value: fmt.Sprint("u", from+i)}},
			}
		}
		if err := p.WriteAll(ctx, entries); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	defer processor(b)()
	if err := p.Settle(context.Background(), ws); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkVerify is what the verifier does with an entry.
func BenchmarkVerify(b *testing.B) {
	p := filled(b, 2000)
	text := export(b, p, audit.ExportInput{Format: audit.JSONL})
	b.SetBytes(int64(len(text) / 2001))
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += 2001 {
		if _, err := verify(text, auditverify.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
