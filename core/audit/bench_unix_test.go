//go:build unix

package audit_test

import (
	"syscall"
	"testing"
	"time"
)

// processor reports what of the processor's time an entry costs from here on: beside other
// work the clock says little.
func processor(b *testing.B) func() {
	used := func() time.Duration {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64((used()-before).Microseconds())/float64(b.N), "µs-cpu/op") }
}
