package benchmark

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/graph"
	"github.com/headwater-cdp/headwater/internal/auditverify"
)

// governed measures what decisions on access cost, what the audit log costs those who
// read, how fast entries go into it, and how long it takes to verify a large one.
func governed(ctx context.Context, o Options) error {
	z := o.size()
	h, err := prepare(ctx, o, "governed", z.few)
	if err != nil {
		return err
	}
	return o.Wire(ctx, h.dir, nil, func(ctx context.Context, s graph.Services) error {
		if o.wants("access") {
			if err := deciding(ctx, o, h, s); err != nil {
				return err
			}
		}
		if !o.wants("audit") {
			return nil
		}
		if err := readingBeside(ctx, o, h, s); err != nil {
			return err
		}
		return provenLog(ctx, o, h.keys.Workspace, s.Audit)
	})
}

// written is how many entries are written at once when a log is made.
const written = 2000

// provenLog makes a log, exports it and verifies the export as an auditor would.
func provenLog(ctx context.Context, o Options, ws string, log *audit.Log) error {
	n := o.size().entries
	began := time.Now()
	if err := fillLog(ctx, log, ws, n); err != nil {
		return err
	}
	against := fmt.Sprintf("%d entries, written %d at once", n, written)
	if err := o.Report.Add(Line{Bench: "audit.append", Value: float64(n) / time.Since(began).Seconds(), Unit: "entries/s", Against: against}); err != nil {
		return err
	}
	path := filepath.Join(o.Dir, "audit.jsonl")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	began = time.Now()
	size, err := log.Export(ctx, ws, audit.ExportInput{Format: audit.JSONL}, func(b []byte) error {
		_, err := f.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	against = fmt.Sprintf("a log of %d entries", size)
	if err := o.Report.Add(Line{Bench: "audit.export", Value: time.Since(began).Seconds(), Unit: "s", Against: against}); err != nil {
		return err
	}
	if err := proofs(ctx, o, ws, log, size); err != nil {
		return err
	}
	keys, err := log.VerifierKeys(ctx, ws)
	if err != nil {
		return err
	}
	if _, err := f.Seek(0, 0); err != nil {
		return err
	}
	began = time.Now()
	res, err := auditverify.Verify(f, auditverify.Options{Keys: []string{keys[0].Key}})
	took := time.Since(began).Seconds()
	if err != nil || res.Entries != size {
		return fmt.Errorf("the log of %d entries is not proved: %v, %w", size, res, err)
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return o.Report.Add(Line{Bench: "audit.verify", Value: took, Unit: "s", Against: against}.atMost("<= 15", 15))
}

// fillLog writes n entries like those of reads, and waits until all are in the log.
func fillLog(ctx context.Context, log *audit.Log, ws string, n int) error {
	ctx = core.WithActor(ctx, &core.Actor{Workspace: ws, ID: "key_01JD2Q3V8Z7F4M5N6P7Q8R9S0T", Purpose: "support"})
	for from := 0; from < n; from += written {
		entries := make([]audit.Entry, min(written, n-from))
		for i := range entries {
			entries[i] = audit.Entry{
				Action: "query.profile", Resource: "Event,Profile", RequestID: core.NewID(core.PrefixRequest, time.Now()),
				Fields:   []string{"Event.name", "Event.properties", "Event.timestamp", "Profile.identifiers", "Profile.traits"},
				Subjects: []string{fmt.Sprintf("prof_%026d", (from+i)%100_000)},
			}
		}
		if err := log.WriteAll(ctx, entries); err != nil {
			return err
		}
	}
	return log.Settle(ctx, ws)
}

// proofs reports the size of the largest of some proofs as JSON.
func proofs(ctx context.Context, o Options, ws string, log *audit.Log, size int64) error {
	largest := 0
	for range 100 {
		p, err := log.Proof(ctx, ws, rand.Int64N(size), size)
		if err != nil {
			return err
		}
		text, err := json.Marshal(p)
		if err != nil {
			return err
		}
		largest = max(largest, len(text))
	}
	c, err := log.Consistency(ctx, ws, size/2+1, size)
	if err != nil {
		return err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	largest = max(largest, len(text))
	return o.Report.Add(Line{Bench: "audit.proof", Value: float64(largest), Unit: "bytes", Against: fmt.Sprintf("the largest of 101 at %d entries", size)}.atMost("<= 4096", 4096))
}
