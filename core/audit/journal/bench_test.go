package journal_test

import (
	"fmt"
	"testing"

	"github.com/headwater-cdp/headwater/core/audit/journal"
)

// BenchmarkAppend is what a record of the size of an entry costs when so many share a
// sync, and the allocations of each.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			j := opened(b, folder(b), 0)
			all := make([]journal.Record, n)
			for i := range all {
				all[i] = journal.Record{Workspace: "ws_0000000001", Data: make([]byte, 400)}
			}
			b.SetBytes(400)
			b.ReportAllocs()
			for left := b.N; left > 0; left -= n {
				if err := j.Append(all[:min(n, left)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRead is what it costs to find a record, again and to take it.
func BenchmarkRead(b *testing.B) {
	j := opened(b, folder(b), 0)
	all := make([]journal.Record, 1000)
	for i := range all {
		all[i] = journal.Record{Workspace: "ws_0000000001", Data: make([]byte, 400)}
	}
	for left := b.N; left > 0; left -= len(all) {
		if err := j.Append(all[:min(len(all), left)]); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(400)
	b.ReportAllocs()
	b.ResetTimer()
	n := 0
	_, err := j.Read("ws_0000000001", nil, func([]byte, [][]byte) (bool, error) {
		n++
		return true, nil
	})
	if err != nil || n != b.N {
		b.Fatal(n, err)
	}
}
