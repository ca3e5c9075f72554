package benchmark

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	stdsync "sync"
	"time"

	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/internal/pluginhost"
	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
)

// Vendors are emulators of vendors, without limits, and the real connectors to them.
type Vendors struct {
	Installed *install.Store
	Configs   map[string]map[string]any // by connector
	Seed      func(emulator string, n int) error
	Stop      func()
}

// throughput measures how fast the real connectors carry records to and from emulators that
// answer in this process.
func throughput(ctx context.Context, o Options, h *house) error {
	v, err := o.Vendors(ctx, filepath.Join(h.dir, "vendors"))
	if err != nil {
		return err
	}
	defer v.Stop()
	host := pluginhost.New(pluginhost.Options{Store: v.Installed})
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		host.Close(end)
	}()
	people := o.size().few
	for _, p := range []struct {
		connector, stream, match string
		size                     int // of a batch
		least                    float64
	}{{"klaviyo", "profiles", "email", 1000, 2000}, {"hubspot", "contacts", "email", 100, 1000}} {
		rate, err := pushRate(ctx, host, v, p.connector, p.stream, p.match, p.size, people)
		if err != nil {
			return fmt.Errorf("push to %s: %w", p.connector, err)
		}
		against := fmt.Sprintf("%d people in batches of %d, through the connector's process to an emulator without limits", people, p.size)
		if err := o.Report.Add(Line{Bench: "connector.push." + p.connector, Value: rate, Unit: "people/s", Against: against}.atLeast(fmt.Sprintf(">= %.0f", p.least), p.least)); err != nil {
			return err
		}
	}
	return pullMany(ctx, o, host, v)
}

func (v *Vendors) dial(ctx context.Context, host *pluginhost.Host, connector, key string) (sync.Instance, error) {
	config, err := json.Marshal(v.Configs[connector])
	if err != nil {
		return nil, err
	}
	return host.Dial(ctx, sync.Dial{Key: "bench/" + key, Connector: connector, Version: 1, Config: config, Hosts: []string{"127.0.0.1"}, Private: true})
}

// pushRate writes people, as many batches at once as the connector takes.
func pushRate(ctx context.Context, host *pluginhost.Host, v *Vendors, connector, stream, match string, size, people int) (float64, error) {
	i, err := v.dial(ctx, host, connector, connector)
	if err != nil {
		return 0, err
	}
	if err := i.Check(ctx); err != nil {
		return 0, err
	}
	first, last := "first_name", "last_name"
	if connector == "hubspot" {
		first, last = "firstname", "lastname"
	}
	work := make(chan int)
	errs := make(chan error, 4)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg stdsync.WaitGroup
	began := time.Now()
	for range 4 {
		wg.Go(func() {
			for from := range work {
				items := make([]sync.Item, 0, size)
				for n := from; n < min(from+size, people); n++ {
					items = append(items, sync.Item{Key: fmt.Sprint(n), Match: match, Fields: map[string]any{
						match: fmt.Sprintf("bench%d@example.com", n), first: "Person", last: fmt.Sprint(n),
					}})
				}
				results, err := i.Upsert(ctx, sync.Batch{Stream: stream, Items: items, Bulk: true})
				for _, r := range results {
					if err == nil && r.Fault != nil {
						err = r.Fault
					}
				}
				if err != nil {
					errs <- err
					cancel()
					return
				}
			}
		})
	}
	for from := 0; from < people && ctx.Err() == nil; from += size {
		select {
		case work <- from:
		case <-ctx.Done():
		}
	}
	close(work)
	wg.Wait()
	select {
	case err := <-errs:
		return 0, err
	default:
		return float64(people) / time.Since(began).Seconds(), ctx.Err()
	}
}

// pullMany reads contacts twice, ten times as many the second time, and compares the most
// memory that the connector's process ever had.
func pullMany(ctx context.Context, o Options, host *pluginhost.Host, v *Vendors) error {
	few := o.size().people / 10
	many := 10 * few
	var peaks [2]float64
	var took time.Duration
	seeded := 0
	for k, n := range []int{few, many} {
		if err := v.Seed("salesforce", n-seeded); err != nil {
			return err
		}
		seeded = n
		i, err := v.dial(ctx, host, "salesforce", fmt.Sprint("salesforce", n))
		if err != nil {
			return err
		}
		got := 0
		began := time.Now()
		err = i.Pull(ctx, sync.PullRequest{Stream: "contacts", Fields: []string{"Id", "FirstName", "LastName", "Email", "Phone"}}, func(p sync.Page) error {
			got += len(p.Records)
			return nil
		})
		if err != nil {
			return fmt.Errorf("pull from salesforce: %w", err)
		}
		if took = time.Since(began); got != n {
			return fmt.Errorf("pull from salesforce: %d records of %d", got, n)
		}
		if peaks[k], err = peakOf("salesforce"); err != nil {
			return err
		}
		host.Drop(fmt.Sprint("bench/salesforce", n))
	}
	against := fmt.Sprintf("%d contacts of an emulator", many)
	if err := o.Report.Add(Line{Bench: "connector.pull.salesforce", Value: took.Seconds(), Unit: "s", Against: against}.atMost("<= 60", 60)); err != nil {
		return err
	}
	l := Line{Bench: "connector.pull.memory", Value: peaks[1], Unit: "MiB"}.beside(fmt.Sprintf("%.0f MiB after %d contacts", peaks[0], few), peaks[0])
	met := peaks[1] <= 1.5*peaks[0]
	l.Target, l.Met = "ratio <= 1.5", &met
	return o.Report.Add(l)
}

// peakOf returns the most memory, in MiB, that the youngest process with the name among our
// children ever had.
func peakOf(name string) (float64, error) {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		return 0, err
	}
	var peak float64
	newest := 0
	for _, list := range lists {
		raw, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for _, pid := range strings.Fields(string(raw)) {
			var n int
			_, _ = fmt.Sscan(pid, &n)
			line, err := os.ReadFile("/proc/" + pid + "/cmdline")
			if err != nil || n < newest || !strings.Contains(string(line), name) {
				continue
			}
			status, err := os.ReadFile("/proc/" + pid + "/status")
			if err != nil {
				continue
			}
			if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok {
				var kib float64
				_, _ = fmt.Sscan(after, &kib)
				newest, peak = n, kib/1024
			}
		}
	}
	if newest == 0 {
		return 0, fmt.Errorf("the process of %s is not there", name)
	}
	return peak, nil
}
